"""What every test here goes by."""

from hypothesis import settings

# How long one input takes says nothing on a machine that compiles beside.
settings.register_profile("trimtab", deadline=None)
settings.load_profile("trimtab")
