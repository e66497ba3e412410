"""The applications of the corpus, in the order of the table."""

from qaid.application import Qaid

KINDS = (Qaid,)
