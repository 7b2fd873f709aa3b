/**
 * What tools ask of a person before they run: an approval, or a login. Pure; the page draws the cards and sends the
 * answers.
 */

/**
 * @typedef {import("./items.js").RequestItem} RequestItem
 * @typedef {import("./types.js").FunctionCall} FunctionCall
 * @typedef {import("./types.js").FunctionResponse} FunctionResponse
 *
 * @typedef {Pick<RequestItem, "asks" | "callId" | "author" | "tool" | "hint">} KeptRequest  what outlives a reload
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
    if (known) return this.#set(known, "open");
    return this.#add(read(call, author));
  }

  /** Requests that were open before a reload. @param {KeptRequest[]} kept */
  restore(kept) {
    for (const request of kept) this.#add(request);
  }

  /** The person decides. @param {RequestItem} item that is open @param {boolean} approved */
  decide(item, approved) {
    this.#set(item, approved ? "approved" : "denied");
  }

  /**
   * It was answered, here or elsewhere.
   *
   * @param {FunctionResponse} answer
   * @returns {RequestItem | undefined} undefined when it was not open
   */
  answered({ id, response }) {
    const item = this.#find((known) => known.callId === id);
    if (item?.state !== "open") return undefined;
    if (item.asks === "credential") return this.#set(item, "withdrawn");
    const said = /** @type {{confirmed?: unknown} | null | undefined} */ (response);
    return this.#set(item, said?.confirmed === true ? "approved" : "denied");
  }

  /** Calls that have ended: nobody need answer for them any more. @param {(string | undefined)[]} ids */
  ended(ids) {
    for (const item of this.list.items) {
      if (item.kind !== "request" || item.state !== "open") continue;
      if (ids.includes(item.tool.id) || ids.includes(item.callId)) this.#set(item, "withdrawn");
    }
  }

  /** @returns {KeptRequest[]} what is still to be answered */
  get open() {
    const open = this.list.items.filter(
      /** @returns {item is RequestItem} */
      (item) => item.kind === "request" && item.state === "open",
    );
    return open.map(({ asks, callId, author, tool, hint }) => ({ asks, callId, author, tool, hint }));
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
    const item = { kind: "request", key: this.list.freshKey(), ...request, state: "open" };
    this.list.add(item);
    return item;
  }

  /** @param {RequestItem} item @param {RequestItem["state"]} state */
  #set(item, state) {
    item.state = state;
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
  };
}
