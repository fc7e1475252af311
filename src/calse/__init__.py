"""A rerunnable study of augmentation and face swapping for sign-language recognition."""
