"""A Cited value: an answer that says where it stands in the text it was taken from."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Cited(BaseModel, Generic[T]):
    """A value with its evidence, as the type of an output field: `team: Cited[Literal["a", "b"]]`.

    value: the answer. quotes: verbatim pieces of what was read, each enough to find its place again.
    sources: where they stand: ids of reads, or names of input fields. The check `quotes_stand` finds
    every quote that does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: T
    quotes: list[str] = Field(description="Verbatim quotes from the material that show the value is right")
    sources: list[str] = Field(
        default_factory=list, description="For the quotes: the names of the fields, or ids, they stand in"
    )
