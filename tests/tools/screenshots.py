#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes docs/pictures/ anew: tests/tools/screenshots.py, as root.

No test: it is run by hand after a change of the tools, and needs python3-pil.
"""

import io
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))
sys.path.insert(0, str(TOP / "tests/tools"))

import sandbox

if __name__ == "__main__":
    sandbox.enter()

import PIL.Image
import PIL.ImageChops

import test_lam
import test_phpldapadmin
from selfservice import JO, Browser, directory, install

PICTURES = TOP / "docs/pictures"
COLOURS = 48
WAITING = ("waiting for your proof: see the mail sent to "
           "jo.doe@partner.example on 2026-11-22")


def keep(browser, name, top=0, bottom=None):
    """What the window shows, in few colours, between two heights."""
    image = PIL.Image.open(io.BytesIO(browser.driver.get_screenshot_as_png()))
    image = image.convert("RGB")
    # below the last that differs from the white of the page there is nothing
    white = PIL.Image.new("RGB", image.size, "white")
    _, _, _, end = PIL.ImageChops.difference(image, white).getbbox()
    image = image.crop((0, top, image.width, bottom or end + 6))
    image.quantize(COLOURS, dither=PIL.Image.Dither.NONE).save(
        PICTURES / name, optimize=True)


def php_ldap_admin(tool, browser):
    browser.driver.set_window_size(1000, 560)
    tool.own_entry("kim")
    browser.expect("Select a template")
    keep(browser, "phpldapadmin-choice.png")

    browser.driver.set_window_size(1000, 1780)
    tool.choose(test_phpldapadmin.FORM)
    tool.fill_in(**test_phpldapadmin.GATEWAY)
    keep(browser, "phpldapadmin-form.png")

    browser.driver.set_window_size(1000, 700)
    tool.fill_in(host="localhost")
    browser.click(test_phpldapadmin.UPDATE)
    browser.expect("not been saved")
    keep(browser, "phpldapadmin-refused.png", bottom=290)

    browser.forget()
    browser.driver.set_window_size(1000, 1780)
    tool.form("jo")
    keep(browser, "phpldapadmin-status.png", top=370, bottom=800)
    browser.driver.set_window_size(1000, 1300)
    browser.link("Create a child entry")
    browser.find("#new_values_cn_0")
    keep(browser, "phpldapadmin-child.png")


def account_manager(tool, browser):
    browser.driver.set_window_size(1000, 900)
    tool.own_page("jo", JO)
    keep(browser, "lam-page.png")


def main():
    PICTURES.mkdir(exist_ok=True)
    install()
    slapd, keys = directory()
    browser = Browser(images=True)
    try:
        for module, make, draw in (
                (test_phpldapadmin, test_phpldapadmin.PhpLdapAdmin,
                 php_ldap_admin),
                (test_lam, test_lam.LdapAccountManager, account_manager)):
            site = make(slapd)
            vars(module).update(slapd=slapd, keys=keys, browser=browser,
                                site=site)
            tool = module.Tool()
            tool.setUp()
            tool.change(JO, "add", "outgateStatus", WAITING)
            draw(tool, browser)
            site.stop()
    finally:
        browser.quit()
        slapd.stop()
        keys.close()


if __name__ == "__main__":
    main()
