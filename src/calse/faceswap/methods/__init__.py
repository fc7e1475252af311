"""Face-swap methods: each folder holds one, declared in its method.py."""
