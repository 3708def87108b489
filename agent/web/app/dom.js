// Builds elements. Text only ever enters the page as text nodes: there is no way here to pass
// markup, and none elsewhere.

import { visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `h("a", { href: "#/", class: "x", onclick: f }, "text", child)`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
  return element;
}

/** Text from elsewhere (a comm, a path, a label): isolated, its tricks made visible. */
export function foreign(text, className = "") {
  return h("bdi", { class: `foreign ${className}`, dir: "ltr" }, visible(text));
}

/**
 * Makes the children of `box` equal to `children` by changing only what differs, so that focus, the
 * reader's selection and scroll stay. For parts without listeners.
 */
export function renew(box, ...children) {
  const wanted = children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined)
    .map((child) => (typeof child === "string" ? document.createTextNode(child) : child));
  wanted.forEach((child, i) => {
    const old = box.childNodes[i];
    if (!old) box.append(child);
    else if (old.nodeName !== child.nodeName) old.replaceWith(child);
    else if (old.nodeType === Node.TEXT_NODE) setData(old, child.data);
    else {
      for (const { name } of [...old.attributes])
        if (!child.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of child.attributes) {
        if (name === "style") old.style.cssText = child.style.cssText;
        else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
      }
      renew(old, ...child.childNodes);
    }
  });
  while (box.childNodes.length > wanted.length) box.lastChild.remove();
}

function setData(node, text) {
  if (node.data !== text) node.data = text;
}

/** Sets the text of an element, and touches the document only where it changed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The address of a target's page. */
export function targetHref(id, range) {
  const encoded = encodeURIComponent(String(id).toWellFormed());
  return `#/target/${encoded}${range ? `/${range}` : ""}`;
}

/** A moment, local for the eye, RFC 3339 for the machine and the tooltip. */
export function moment(shown, rfc3339) {
  return h("time", { datetime: visible(rfc3339), title: visible(rfc3339) }, shown);
}
