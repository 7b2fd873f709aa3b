/**
 * What tools ask of a person before they run: an approval, or a login. Pure; the page draws the cards and sends the
 * answers.
 */

/**
 * @typedef {import("./items.js").RequestItem} RequestItem
 * @typedef {import("./types.js").FunctionCall} FunctionCall
 * @typedef {import("./types.js").FunctionResponse} FunctionResponse
 *
 * @typedef {Pick<RequestItem, "asks" | "callId" | "author" | "tool" | "hint" | "payload">} KeptRequest  what outlives a reload
 */

/** The name of the call that asks for an approval, and of its answer. */
export const CONFIRMATION = "adk_request_confirmation";
const CREDENTIAL = "adk_request_credential";

/** Whether a call, or an answer, is one of these. @param {{name?: string} | undefined} call */
export function isRequest(call) {
  return call?.name === CONFIRMATION || call?.name === CREDENTIAL;
}

export class Requests {
  /** @param {import("./item_list.js").ItemList} list */
  constructor(list) {
    this.list = list;
  }

  /**
   * A request came. One that is known and was answered is open again: whoever asks again has not heard the answer.
   *
   * @param {FunctionCall} call
   * @param {string} author
   * @returns {RequestItem}
   */
  asked(call, author) {
    const known = this.#find((item) => item.callId === call.id);
    if (known) return this.#set(known, "open", false);
    return this.#add(read(call, author));
  }

  /** Requests that were open before a reload. @param {KeptRequest[]} kept */
  restore(kept) {
    for (const request of kept) this.#add(request);
  }

  /** The person decides. @param {RequestItem} item that is open @param {boolean} approved */
  decide(item, approved) {
    this.#set(item, approved ? "approved" : "denied", false);
  }

  /** The connection is gone. @returns {RequestItem[]} those that were answered, perhaps to nobody: they are open again */
  reopen() {
    const unheard = this.#unsettled().filter((item) => item.state !== "open");
    return unheard.map((item) => this.#set(item, "open", false));
  }

  /**
   * The server tells of an answer, given here or elsewhere.
   *
   * @param {FunctionResponse} answer
   * @returns {RequestItem | undefined} the request, if that settles it
   */
  answered({ id, response }) {
    const item = this.#unsettled().find((known) => known.callId === id);
    if (!item) return undefined;
    if (item.asks === "credential") return this.#set(item, "withdrawn", true);
    const said = /** @type {{confirmed?: unknown} | null | undefined} */ (response);
    return this.#set(item, said?.confirmed === true ? "approved" : "denied", true);
  }

  /**
   * The server refused content. If that was the answer to a request, it had been settled before, unknown to us.
   *
   * @param {string} why
   * @returns {RequestItem | undefined} it, if it was
   */
  refused(why) {
    const item = this.#unsettled().find((known) => known.state !== "open" && why.includes(known.callId));
    return item && this.#set(item, "withdrawn", true);
  }

  /** Calls that have ended: nobody need answer for them any more. @param {string[]} ids */
  ended(ids) {
    for (const item of this.#unsettled()) {
      if (!ids.includes(item.tool.id ?? "") && !ids.includes(item.callId)) continue;
      this.#set(item, item.state === "open" ? "withdrawn" : item.state, true);
    }
  }

  /** @returns {KeptRequest[]} what may still have to be answered */
  get unsettled() {
    return this.#unsettled().map(({ asks, callId, author, tool, hint, payload }) => {
      return { asks, callId, author, tool, hint, payload };
    });
  }

  #unsettled() {
    return this.list.items.filter(
      /** @returns {item is RequestItem} */
      (item) => item.kind === "request" && !item.settled,
    );
  }

  /** @param {(item: RequestItem) => boolean} which */
  #find(which) {
    return this.list.items.findLast(
      /** @returns {item is RequestItem} */
      (item) => item.kind === "request" && which(item),
    );
  }

  /** @param {KeptRequest} request @returns {RequestItem} */
  #add(request) {
    /** @type {RequestItem} */
    const item = { kind: "request", key: this.list.freshKey(), ...request, state: "open", settled: false };
    this.list.add(item);
    return item;
  }

  /** @param {RequestItem} item @param {RequestItem["state"]} state @param {boolean} settled */
  #set(item, state, settled) {
    item.state = state;
    item.settled = settled;
    this.list.update(item);
    return item;
  }
}

/** @param {FunctionCall} call @param {string} author @returns {KeptRequest} */
function read(call, author) {
  const args = /** @type {Record<string, any>} */ (call.args ?? {});
  const tool = args.originalFunctionCall ?? { id: args.functionCallId };
  return {
    asks: call.name === CONFIRMATION ? "confirmation" : "credential",
    callId: call.id ?? "",
    author,
    tool: { id: tool.id, name: tool.name ?? "", args: tool.args ?? {} },
    hint: args.toolConfirmation?.hint ?? "",
    payload: args.toolConfirmation?.payload ?? null,
  };
}
