/**
 * The tool calls of a conversation: which run, which go on beside it, and what ends them. Pure.
 *
 * A call that takes long is answered at once and again when it is done; a tool that streams is told to be pending and
 * goes on until it is stopped. Neither has an end of its own on the wire, so several things are taken as one.
 */

/**
 * @typedef {import("./items.js").ToolItem} ToolItem
 * @typedef {import("./items.js").ToolState} ToolState
 * @typedef {import("./types.js").FunctionCall} FunctionCall
 * @typedef {import("./types.js").FunctionResponse} FunctionResponse
 */

/** The tool that hands the conversation over: shown as what comes of it. */
export const TRANSFER = "transfer_to_agent";
/** The tool that stops another one, its `function_name`. */
const STOP = "stop_streaming";

/** What the first answer of a tool that streams says. */
const PENDING = /results are pending/i;
/** What is said for a call until somebody has approved it. */
const UNAPPROVED = /requires confirmation/i;
const STOPPED = /^(successfully stopped|no active)/i;

export class ToolCalls {
  /** @param {import("./item_list.js").ItemList} list */
  constructor(list) {
    this.list = list;
  }

  /**
   * @param {FunctionCall} call
   * @param {string} author
   * @param {boolean} longRunning
   * @returns {ToolItem}
   */
  called(call, author, longRunning) {
    return this.#add(call, author, longRunning);
  }

  /**
   * @param {FunctionResponse} answer
   * @param {string} author
   * @returns {ToolItem} the call that it is to
   */
  answered(answer, author) {
    const { id, name, response } = answer;
    // A call may have been before our time: a reload in the middle of it.
    const item = this.#find(id, name) ?? this.#add({ id, name }, author, false);
    const isFirst = item.response === undefined;
    const goesOn = answer.willContinue ?? (isPending(response) || (item.longRunning && isFirst));
    if (isUnapproved(response)) this.#set(item, "waiting");
    else {
      item.response = response;
      if (failed(response)) this.#set(item, "failed");
      else this.#set(item, goesOn ? "working" : "done");
    }
    if (name === STOP && STOPPED.test(status(response))) this.#stopNamed(item.args);
    return item;
  }

  /** @param {string | undefined} id of a call that waits for a person, or does so no longer @param {ToolState} state */
  approval(id, state) {
    const item = id === undefined ? undefined : this.#find(id, "");
    if (item && isUnderWay(item)) this.#set(item, state);
  }

  /** @param {string[]} ids of calls that the model takes back */
  takenBack(ids) {
    this.#stop((item) => item.callId !== undefined && ids.includes(item.callId));
  }

  /** An agent hands the conversation over: what it has streaming ends with its part. @param {string} author */
  handedOver(author) {
    this.#stop((item) => item.author === author && item.state === "working" && !item.longRunning);
  }

  /** The run is over, and what streams with it. */
  end() {
    this.#stop((item) => item.state === "working" && !item.longRunning);
  }

  /** @param {unknown} args of the call that stops a tool */
  #stopNamed(args) {
    const name = args !== null && typeof args === "object" && "function_name" in args ? args.function_name : undefined;
    this.#stop((item) => item.name === name && item.state === "working");
  }

  /** @param {(item: ToolItem) => boolean} which of those that are under way */
  #stop(which) {
    for (const item of this.list.items) {
      if (item.kind === "tool" && isUnderWay(item) && which(item)) this.#set(item, "stopped");
    }
  }

  /** @param {string | undefined} id @param {string} name for calls without an id */
  #find(id, name) {
    return this.list.items.findLast(
      /** @returns {item is ToolItem} */
      (item) => item.kind === "tool" && (id ? item.callId === id : item.name === name),
    );
  }

  /** @param {FunctionCall} call @param {string} author @param {boolean} longRunning @returns {ToolItem} */
  #add({ id, name, args }, author, longRunning) {
    /** @type {ToolItem} */
    const item = {
      kind: "tool",
      key: this.list.freshKey(),
      author,
      name,
      callId: id,
      args,
      response: undefined,
      longRunning,
      state: longRunning ? "working" : "running",
    };
    this.list.add(item);
    return item;
  }

  /** @param {ToolItem} item @param {ToolState} state */
  #set(item, state) {
    item.state = state;
    this.list.update(item);
  }
}

/** Whether an answer holds nothing but an error. @param {unknown} response */
export function failed(response) {
  return response !== null && typeof response === "object" && "error" in response;
}

/** Whether more is expected of a call. @param {ToolItem} item */
export function isUnderWay({ state }) {
  return state === "running" || state === "working" || state === "waiting";
}

/** Whether an answer says that there are more, and nothing else. @param {unknown} response */
export function isPending(response) {
  return PENDING.test(status(response));
}

/** @param {unknown} response */
function isUnapproved(response) {
  return failed(response) && UNAPPROVED.test(String(/** @type {{error: unknown}} */ (response).error));
}

/** @param {unknown} response */
function status(response) {
  return response !== null && typeof response === "object" && "status" in response ? String(response.status) : "";
}
