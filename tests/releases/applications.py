"""The applications of the corpus, in the order of the table."""

from mediawiki.application import MediaWiki
from qaid.application import Qaid
from tryton.application import Tryton

KINDS = (Qaid, MediaWiki, Tryton)
