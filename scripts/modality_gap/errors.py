"""The only exception that is written for a user."""


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one sentence that names the thing and the remedy.
    """
