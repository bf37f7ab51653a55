"""nas-operator in Python: `nas_operator.trial` for trainers, `nas_operator.Client` for notebooks and scripts.

A trainer imports `nas_operator.trial` alone, which loads nothing but a little of the standard library: a signal to stop must be heard before slow
imports begin.
"""

from nas_operator.client import Best, Client, NotAccepted, Search, SearchFailed, ToolError, Trials

__all__ = ["Best", "Client", "NotAccepted", "Search", "SearchFailed", "ToolError", "Trials"]
