"""Pictures as SVG text: a few shapes, escaped, with colours that the page's style gives by class."""

from __future__ import annotations

from html import escape


class Drawing:
    """Shapes in user units, one on top of the other; `svg` returns the whole as text."""

    def __init__(self, width: float, title: str) -> None:
        """Begin an empty drawing that scales to the page's width; its height grows with what is drawn."""
        self._width, self._height, self._title = width, 0.0, title
        self._shapes: list[str] = []

    def rect(self, x: float, y: float, width: float, height: float, style: str, hint: str = "") -> None:
        """Draw a box; `hint` is shown when it is pointed at."""
        told = f"<title>{escape(hint)}</title>" if hint else ""
        self._add(
            f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}">'
            f"{told}</rect>",
            y + height,
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str = "axis") -> None:
        """Draw a line."""
        shape = f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        self._add(shape, max(y1, y2))

    def dot(self, x: float, y: float, style: str, hint: str = "") -> None:
        """Draw a point."""
        told = f"<title>{escape(hint)}</title>" if hint else ""
        self._add(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="5">{told}</circle>', y + 5)

    def text(self, x: float, y: float, said: str, style: str = "", anchor: str = "start") -> None:
        """Write text with its base line at y; `anchor` is start, middle or end."""
        shape = f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
        self._add(shape, y + 4)

    def svg(self) -> str:
        """Return the drawing."""
        head = (
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {self._width:.0f} {self._height + 6:.0f}">'
            f"<title>{escape(self._title)}</title>"
        )
        return head + "".join(self._shapes) + "</svg>"

    def _add(self, shape: str, bottom: float) -> None:
        self._shapes.append(shape)
        self._height = max(self._height, bottom)


def ticks(largest: float, count: int = 6) -> list[float]:
    """Return round numbers from 0 up to `largest`, about `count` of them."""
    if largest <= 0:
        return [0.0]
    raw = largest / count
    power = 10.0 ** len(str(int(raw))) / 10 if raw >= 1 else 0.1
    while power > raw:
        power /= 10
    step = next(power * factor for factor in (1, 2, 5, 10, 20, 50, 100) if power * factor >= raw)
    return [step * n for n in range(int(largest / step) + 1)]
