"""One row per protocol, with a set that it can judge and must judge perfectly."""

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.holidays import Holidays
from jaxsim.evaluation.protocols.instre import Instre
from jaxsim.evaluation.protocols.oxford_paris import OxfordParis
from jaxsim.evaluation.protocols.query_reference import QueryReference
from jaxsim.evaluation.protocols.revisited import Revisited
from jaxsim.evaluation.protocols.same_label import SameLabel
from tests.evaluation.sets import record, records

# Rows 0 and 1 are right for both queries, which are rows 4 and 5 or separate images.
LISTED = RetrievalSet(
    name="listed",
    database=records("a b c d p q"),
    queries=records("p q"),
    positives=[[0, 1], [0, 1]],
    ignored=[[4], [5]],
)
LABELLED = RetrievalSet(
    name="labelled",
    database=[
        record(name, label) for name, label in zip("abcdef", "xxyyyx", strict=True)
    ],
    queries=[record("p", "x"), record("q", "x")],
)
GRADED = RetrievalSet(
    name="graded",
    database=records("a b c d e f"),
    queries=records("p q"),
    graded=[{"easy": [0], "hard": [1], "junk": [4]}] * 2,
)

PROTOCOLS = {
    "same_label": (SameLabel(), LABELLED),
    "query_reference": (QueryReference(), LISTED),
    "oxford_paris": (OxfordParis(), LISTED),
    "revisited": (Revisited(), GRADED),
    "holidays": (Holidays(), LISTED),
    "instre": (Instre(), LISTED),
}
