"""Runs in the sandbox: pictures of several formats as WebP, the one that pages show."""

from __future__ import annotations

import base64
import io

from PIL import Image

from qa.run.inside.safe import LARGEST_WEBP, MOST_PIXELS, UnsafeOutput

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
"""By MIME type, the one decoder of Pillow that may read it."""


def to_webp(kind: str, content: str) -> str:
    """Base64 in and out. Pixels get a white ground: unlike the text of an SVG they cannot change
    their colour. Raises UnsafeOutput.
    """
    try:
        data = io.BytesIO(base64.b64decode(content))
        with Image.open(data, formats=[FORMATS[kind]]) as image:
            _refuse_large_and_moving(image)
            ground = Image.new("RGBA", image.size, "white")
            ground.alpha_composite(image.convert("RGBA"))
    except UnsafeOutput:
        raise
    except Image.DecompressionBombError as error:
        raise UnsafeOutput("its picture is too large for a page: show a smaller one") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UnsafeOutput(f"a picture in its output that is no {FORMATS[kind]}") from error
    buffer = io.BytesIO()
    ground.convert("RGB").save(buffer, "WEBP", quality=85, method=6)
    if buffer.tell() > LARGEST_WEBP:
        raise UnsafeOutput(
            f"its picture is too large for a page ({buffer.tell() >> 10:,} KiB; "
            f"{LARGEST_WEBP >> 10:,} are the most): show a smaller one"
        )
    return base64.b64encode(buffer.getvalue()).decode()


def _refuse_large_and_moving(image: Image.Image) -> None:
    """From its header, before anything is decoded."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UnsafeOutput(
            f"its picture is too large for a page ({width:,} by {height:,} pixels; "
            f"{MOST_PIXELS // 1_000_000} million are the most): show a smaller one"
        )
    if getattr(image, "is_animated", False):
        raise UnsafeOutput("a picture that moves in its output: show some of its frames")
