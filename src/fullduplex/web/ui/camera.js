/**
 * The camera: a dialog with a live preview, a square JPEG out. The camera is on only while the dialog is open.
 */

import { byId } from "./dom.js";

/** Side of the picture, in px, and its JPEG quality. */
const SIDE = 768;
const QUALITY = 0.85;

export class CameraDialog {
  /** @param {(picture: Blob) => void} onPicture */
  constructor(onPicture) {
    this.onPicture = onPicture;
    this.dialog = byId("cameraModal", HTMLDialogElement);
    this.preview = byId("cameraPreview", HTMLVideoElement);
    this.note = byId("cameraNote", HTMLElement);
    this.captureButton = byId("cameraCapture", HTMLButtonElement);
    /** @type {MediaStream | null} */
    this.stream = null;
    this.captureButton.addEventListener("click", () => void this.#capture());
    byId("cameraCancel", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    byId("cameraClose", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.#release()); // Escape comes here too
    this.preview.addEventListener("playing", () => {
      this.captureButton.disabled = false;
    });
  }

  /** Show the dialog and ask for the camera. */
  async open() {
    this.note.textContent = "";
    this.captureButton.disabled = true;
    this.dialog.showModal();
    try {
      if (!navigator.mediaDevices) throw new DOMException("It needs https or localhost.", "SecurityError");
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: SIDE }, height: { ideal: SIDE }, facingMode: "user" },
      });
      if (!this.dialog.open) {
        for (const track of stream.getTracks()) track.stop(); // closed while the browser was asking
        return;
      }
      this.stream = stream;
      this.preview.srcObject = stream;
      await this.preview.play();
    } catch (error) {
      this.note.textContent = `The camera cannot be used: ${/** @type {Error} */ (error).message}`;
    }
  }

  async #capture() {
    const canvas = document.createElement("canvas");
    canvas.width = SIDE;
    canvas.height = SIDE;
    const { videoWidth, videoHeight } = this.preview;
    const side = Math.min(videoWidth, videoHeight); // the square in the middle, as the preview shows it
    const left = (videoWidth - side) / 2;
    const top = (videoHeight - side) / 2;
    canvas.getContext("2d")?.drawImage(this.preview, left, top, side, side, 0, 0, SIDE, SIDE);
    /** @type {Blob | null} */
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    this.dialog.close();
    if (picture) this.onPicture(picture);
  }

  #release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.preview.srcObject = null;
  }
}
