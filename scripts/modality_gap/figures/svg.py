"""Prepares matplotlib's SVG for a page: colours that a page can change, fonts, short paths."""

import re
from xml.etree import ElementTree

from modality_gap.figures.palette import dark_rules

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
FAMILY = "'DejaVu Sans', Verdana, system-ui, sans-serif"
STYLE = (
    ".figure *{stroke-linejoin:round;stroke-linecap:butt}"
    "@media (prefers-color-scheme:dark){" + dark_rules(".figure:root") + "}"
)
COLORS = {"fill", "stroke"}
LENGTHS = {"d", "transform", "x", "y"}


def themed(svg: bytes) -> str:
    """An SVG by matplotlib, prepared for a page. Its colours are attributes, which any style sheet
    overrides, and it has a style of its own for a dark background. Lengths are in pixels with two
    decimals, and unused identifiers are removed."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    used = set(re.findall(r"#([\w-]+)", svg.decode()))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        _colors_as_attributes(element)
        for name in LENGTHS & element.attrib.keys():
            short = re.sub(r"(\.\d\d)\d+", r"\1", element.attrib[name])
            element.set(name, " ".join(short.split()))
        element.text, element.tail = (
            part if part and part.strip() else None for part in (element.text, element.tail)
        )
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    root.attrib |= {"class": "figure", "width": f"{width:g}", "height": f"{height:g}"}
    style = ElementTree.Element(f"{{{SVG}}}style")
    style.text = STYLE
    # What is used many times takes its colours from where it is used.
    for path in root.iterfind(f".//{{{SVG}}}defs/{{{SVG}}}path"):
        for name in COLORS & path.attrib.keys():
            del path.attrib[name]
    root.insert(0, style)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _colors_as_attributes(element: ElementTree.Element) -> None:
    """Move the colours of an element's style into attributes, and set the fonts of the system."""
    kept = []
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in COLORS:
            element.set(name, value)
        elif name == "font":
            kept.append(re.sub(r"('.*)$", FAMILY, f"font: {value}"))
        elif name == "font-family":
            kept.append(f"font-family: {FAMILY}")
        elif name:
            kept.append(f"{name}: {value}")
    if kept:
        element.set("style", "; ".join(kept))
