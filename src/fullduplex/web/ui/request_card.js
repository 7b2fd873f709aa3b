/**
 * The card of a request: what a tool is about to do, all of it, and the buttons that allow or forbid it.
 */

import { make } from "./dom.js";
import { fieldsFor, readFields } from "./request_fields.js";

/**
 * @typedef {import("../client/items.js").RequestItem} RequestItem
 * @typedef {{confirmed: boolean, payload?: unknown}} Decision
 */

const HEADINGS = {
  confirmation: { open: "Needs your approval", approved: "Approved", denied: "Denied", withdrawn: "No longer waiting" },
  credential: { open: "Needs a login", approved: "Login given", denied: "Login refused", withdrawn: "Login settled" },
};

/** @param {HTMLElement} row @param {RequestItem} item */
export function fillRequest(row, item) {
  const hadFocus = row.contains(document.activeElement);
  const heading = HEADINGS[item.asks][item.state];
  row.className = `request ${item.state}`;
  row.tabIndex = -1;
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", `${heading}: ${item.tool.name}`);
  const call = make("p", "request-call");
  call.append(make("b", "", item.tool.name || "A tool"), make("span", "request-who", ` of ${item.author}`));
  row.replaceChildren(make("p", "request-head", heading), call);
  if (item.state === "open") row.append(item.asks === "confirmation" ? toConfirm(item) : toLogIn());
  // The button that was pressed is gone; whoever uses the keyboard is still here.
  if (hadFocus) row.focus();
  return row;
}

/**
 * What the person decided.
 *
 * @param {HTMLElement} pressed
 * @returns {Decision | null} null when it was no button of a card, or something is filled in wrongly, which is told
 */
export function decisionOf(pressed) {
  const { approve } = pressed.dataset;
  const form = pressed.closest("form");
  if (!approve || !form) return null;
  if (approve === "false") return { confirmed: false };
  if (!form.reportValidity()) return null;
  const fields = form.querySelector(".request-fields");
  return fields instanceof HTMLElement ? { confirmed: true, payload: readFields(fields) } : { confirmed: true };
}

/** @param {RequestItem} item */
function toConfirm({ tool, hint, payload }) {
  const form = make("form");
  form.append(whole(tool.args ?? {}));
  if (hint) form.append(make("p", "request-hint", hint));
  if (payload !== null) form.append(fieldsFor(payload));
  const buttons = make("div", "request-buttons");
  buttons.append(button("Approve", "pill pill-main", tool.name), button("Deny", "pill", tool.name));
  form.append(buttons);
  return form;
}

function toLogIn() {
  return make("p", "request-hint", "This page cannot give it a credential; the app can.");
}

/** @param {string} label @param {string} className @param {string} name of the tool */
function button(label, className, name) {
  const element = make("button", className, label);
  element.type = "button";
  element.dataset.approve = String(label === "Approve");
  element.setAttribute("aria-label", `${label} ${name}`);
  return element;
}

/**
 * A value and all that is in it: nobody should approve what they cannot see.
 *
 * @param {unknown} value
 * @returns {HTMLElement}
 */
function whole(value) {
  if (Array.isArray(value)) {
    const list = make("ul");
    list.append(...value.map((inner) => wrapped("li", inner)));
    return list;
  }
  if (value === null || typeof value !== "object") {
    return make("span", "", typeof value === "string" && value !== "" ? value : JSON.stringify(value));
  }
  const list = make("dl", "request-args");
  for (const [name, inner] of Object.entries(value)) list.append(make("dt", "", name), wrapped("dd", inner));
  return list;
}

/** @param {"li" | "dd"} tag @param {unknown} value */
function wrapped(tag, value) {
  const element = make(tag);
  element.append(whole(value));
  return element;
}
