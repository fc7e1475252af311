"""What a swap did: identity, expression, detail, flicker, and what lies outside the face."""
