/** What the audio thread's global scope offers beyond the DOM library's types; read by `tsc -p src/fullduplex/web` only. */

declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
  constructor(options?: unknown);
}

declare function registerProcessor(name: string, processor: new (options: any) => AudioWorkletProcessor): void;

/** Samples since the context began, at the first sample of the quantum being rendered. */
declare const currentFrame: number;

/** Samples per second of the context. */
declare const sampleRate: number;
