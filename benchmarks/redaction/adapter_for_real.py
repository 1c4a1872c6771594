"""Runs our Presidio adapter with the real Presidio, in its environment: the source folder comes first."""

import json
import sys

sys.path.insert(0, sys.argv[1])

from answerable.governance.detector import Rules, combined
from answerable.governance.detector_presidio import Presidio

TEXT = "Yesterday Ottoline Featherstonehaugh wrote to bob@example.com from Copenhagen."


def main() -> None:
    """Print the version and what the rules and Presidio find together, [kind, value] each."""
    detector = combined([Rules(), Presidio()])
    found = [[span.kind, TEXT[span.start : span.end]] for span in detector.find(TEXT)]
    print(json.dumps({"version": detector.version, "found": found}))


if __name__ == "__main__":
    main()
