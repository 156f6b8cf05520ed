"""A picture as HTML: the one form whose description every front end hands on to who cannot see it."""

from html import escape


def tag(content: str, alt: str, kind: str = "image/png", **attributes: object) -> str:
    """`<img>` with the picture in it. `content` is base64; `attributes` are such as width=750."""
    more = "".join(f' {name}="{escape(str(value))}"' for name, value in attributes.items())
    return f'<img src="data:{kind};base64,{content.strip()}" alt="{escape(alt)}"{more}>'
