"""An authenticator app: it reads a QR code from the screen, and computes codes."""

import base64

import zxingcpp
from django_otp.oath import totp
from playwright.sync_api import Locator

# Grey values of an image, drawn on a canvas of an otherwise empty page.
PIXELS = """async (png) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let grey = "";
  for (let at = 0; at < data.length; at += 4) grey += String.fromCharCode(data[at + 1]);
  return { width: image.width, height: image.height, grey: btoa(grey) };
}"""


def read_qr_code(shown: Locator) -> str:
    """The text of the QR code as displayed on the screen."""
    picture = base64.b64encode(shown.screenshot()).decode()
    blank = shown.page.context.browser.new_page()
    try:
        found = blank.evaluate(PIXELS, picture)
    finally:
        blank.close()
    grey = memoryview(base64.b64decode(found["grey"])).cast("B", shape=[found["height"], found["width"]])
    (code,) = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormat.QRCode)
    return str(code.text)


def code_of(secret: str, steps: int = 0) -> str:
    seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return f"{totp(seed, t0=-30 * steps):06d}"


def wrong_code(secret: str) -> str:
    near = {code_of(secret, steps) for steps in range(-3, 4)}
    return next(code for code in (f"{number:06d}" for number in range(10)) if code not in near)
