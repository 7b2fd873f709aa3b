/**
 * Open requests that outlive a reload of the page, kept in this tab and for one session.
 */

/** @typedef {import("./requests.js").KeptRequest} KeptRequest */

const KEY = "fullduplex.requests";

/** @param {string} session @param {KeptRequest[]} requests all that may have to be answered */
export function keepRequests(session, requests) {
  try {
    if (requests.length === 0) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify({ session, requests }));
  } catch {
    // No storage, or none left: a reload forgets them, as it forgets the rest of what is shown.
  }
}

/** @param {string} session @returns {KeptRequest[]} */
export function keptRequests(session) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return kept?.session === session ? kept.requests : [];
  } catch {
    return [];
  }
}
