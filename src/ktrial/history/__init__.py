"""Everything that happened in one run of one setting, in one clock: the only thing that a judge sees.

Empty on purpose: client processes import `ktrial.history.journal` and must not pay for the tables' library.
"""
