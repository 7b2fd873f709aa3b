/**
 * The shapes that travel on the wire, as JSDoc types, and nothing else. Every field of an Event except the few that the
 * server always sends may be missing.
 *
 * @typedef {object} Media  has one of `data` and `bytes`
 * @property {string} mimeType
 * @property {string} [data] base64 of either alphabet
 * @property {Uint8Array<ArrayBuffer>} [bytes] what came as a binary frame
 * @property {string} [displayName]
 *
 * @typedef {{id?: string, name: string, args?: Record<string, unknown>}} FunctionCall
 * @typedef {{id?: string, name: string, response?: unknown, willContinue?: boolean}} FunctionResponse
 *
 * @typedef {object} Part
 * @property {string} [text]
 * @property {boolean} [thought]
 * @property {Media} [inlineData]
 * @property {{fileUri: string, mimeType: string}} [fileData]
 * @property {FunctionCall} [functionCall]
 * @property {FunctionResponse} [functionResponse]
 * @property {{code: string, language?: string}} [executableCode]
 * @property {{outcome: string, output?: string}} [codeExecutionResult]
 *
 * @typedef {{text?: string, finished?: boolean, languageCode?: string}} Transcription
 * @typedef {{promptTokenCount?: number, candidatesTokenCount?: number, totalTokenCount?: number}} UsageMetadata
 *
 * @typedef {{responseId?: string, text?: string, playedMs?: number, estimated?: boolean}} Heard
 *
 * @typedef {object} TurnLatency  moments in s since the epoch, spans in ms; what nobody could know is missing
 * @property {string} [responseId]
 * @property {number} [speechEndAt] the user last spoke
 * @property {number} [serverInAt] that arrived at the server
 * @property {number} [modelOutAt] it went to the model
 * @property {number} [firstByteAt] the model's first audio came
 * @property {number} [leadingSilenceMs] how much of that was silence
 * @property {number} [serverOutAt] it left the server
 * @property {number} [firstAudibleAt] it was heard
 * @property {number} [totalMs]
 *
 * @typedef {object} LiveEvent
 * @property {string} [id]
 * @property {string} [author]
 * @property {string} [invocationId]
 * @property {number} [timestamp] seconds since the epoch
 * @property {{role?: string, parts?: Part[]}} [content]
 * @property {boolean} [partial]
 * @property {boolean} [turnComplete]
 * @property {boolean} [interrupted]
 * @property {boolean} [generationComplete]
 * @property {Transcription} [inputTranscription]
 * @property {Transcription} [outputTranscription]
 * @property {UsageMetadata} [usageMetadata]
 * @property {object} [groundingMetadata]
 * @property {object} [liveSessionResumptionUpdate]
 * @property {{timeLeft?: unknown}} [goAway]
 * @property {{voiceActivityType?: string}} [voiceActivity]
 * @property {{transferToAgent?: string}} [actions]
 * @property {string} [branch] of agents that work at the same time
 * @property {string[]} [longRunningToolIds]
 * @property {{ids?: string[]}} [toolCallCancellation] calls that are taken back
 * @property {Heard} [heard] what the user heard of an answer
 * @property {TurnLatency} [latency] where the time before an answer went
 * @property {string} [errorCode]
 * @property {string} [errorMessage]
 * @property {boolean} [recoverable] with an error: whether the conversation goes on
 * @property {string} [turnCompleteReason] why the turn ended, when it is not simply over
 *
 * @typedef {object} ErrorAnswer  the server's answer to a frame that it refused
 * @property {"error"} type
 * @property {string} code
 * @property {string} message
 * @property {string | null} [field] the field at fault
 * @property {boolean} [sessionLives] whether the session goes on
 *
 * @typedef {object} ServerInfo  `GET /api/info`
 * @property {string} agent
 * @property {string} model
 * @property {string} engine in words for people
 * @property {boolean} offline
 * @property {string} version
 * @property {string[]} tools
 * @property {string} [sessions] where they are: another value later means that they are gone
 * @property {string[]} examples
 */

export {};
