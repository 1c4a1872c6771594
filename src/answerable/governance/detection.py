"""A personal value found in free text: where it stands, of what kind it is, and how sure that is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """text[start:end] (code points) is a personal value. kind: such as "EMAIL". score: 0 to 1."""

    start: int
    end: int
    kind: str
    score: float
