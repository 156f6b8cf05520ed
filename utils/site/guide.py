"""The facilitator's guide."""

from utils.site.course import Course


def documents(course: Course) -> dict[str, str]:
    """Every page of the guide, by its name."""
    return {"guide/index": "# Guide\n"}
