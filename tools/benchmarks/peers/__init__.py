"""What ours is held against, written anew here from the published behaviour; slow where the published way is slow."""
