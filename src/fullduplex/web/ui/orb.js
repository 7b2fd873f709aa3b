/**
 * The orb: two waves that run against each other, the user's and the agent's, each as high as its voice is loud. It draws
 * only while something moves.
 */

/** @typedef {"off" | "listening" | "thinking" | "speaking"} OrbState */

const WAVES = 3;
const SETTLED = 0.004;

/** The shortest time between two pictures: 30 a second look smooth, and leave a slow processor free for the voices. */
const FRAME_MS = 25;

export class Orb {
  /** @param {HTMLCanvasElement[]} canvases which all show the same */
  constructor(canvases) {
    this.canvases = canvases;
    /** @type {OrbState} */
    this.state = "off";
    this.target = { user: 0, agent: 0 };
    this.level = { user: 0, agent: 0 };
    this.phase = 0.35;
    this.running = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.accent = "";
    this.ground = "";
    const restyle = () => {
      this.#readColours();
      this.#draw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    restyle();
  }

  /** @param {OrbState} state */
  setState(state) {
    this.state = state;
    this.#run();
  }

  /** @param {"user" | "agent"} who @param {number} rms 0 … 1 */
  setLevel(who, rms) {
    this.target[who] = Math.min(1, Math.sqrt(rms) * 1.9); // ears work in ratios: quiet speech should show
    if (rms > 0) this.#run();
  }

  #readColours() {
    const style = getComputedStyle(document.documentElement);
    this.accent = style.getPropertyValue("--accent").trim();
    this.ground = style.getPropertyValue("--accent-soft").trim();
  }

  #run() {
    if (this.running) return;
    this.running = true;
    let last = performance.now();
    const frame = (/** @type {number} */ now) => {
      if (now - last < FRAME_MS) {
        requestAnimationFrame(frame);
        return;
      }
      const seconds = Math.min(0.05, (now - last) / 1_000);
      last = now;
      this.#step(seconds);
      this.#draw();
      this.running = this.#moves();
      if (this.running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  #moves() {
    return this.state !== "off" || this.level.user > SETTLED || this.level.agent > SETTLED;
  }

  /** @param {number} seconds */
  #step(seconds) {
    const speed = { off: 0.3, listening: 0.9, thinking: 2.2, speaking: 1.5 }[this.state];
    if (!this.still.matches) this.phase += seconds * speed;
    for (const who of /** @type {const} */ (["user", "agent"])) {
      const towards = this.target[who];
      const pace = towards > this.level[who] ? 22 : 7; // quick to rise, slow to fall
      this.level[who] += (towards - this.level[who]) * Math.min(1, seconds * pace);
    }
  }

  #draw() {
    for (const canvas of this.canvases) {
      const pen = canvas.getContext("2d");
      if (pen && canvas.offsetParent !== null) this.#drawOn(pen, canvas.width);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} size */
  #drawOn(pen, size) {
    const middle = size / 2;
    const loudest = Math.max(this.level.user, this.level.agent);
    const radius = middle * (0.84 + 0.1 * loudest);
    pen.clearRect(0, 0, size, size);
    pen.globalAlpha = 1;
    pen.save();
    pen.beginPath();
    pen.arc(middle, middle, radius, 0, 2 * Math.PI);
    pen.fillStyle = this.ground;
    pen.fill();
    const glow = pen.createRadialGradient(middle, middle * 0.7, radius * 0.2, middle, middle, radius);
    glow.addColorStop(0, "transparent");
    glow.addColorStop(1, this.accent);
    pen.fillStyle = glow;
    pen.globalAlpha = 0.12 + 0.25 * this.level.agent;
    pen.fill();
    pen.clip();
    const rest = this.state === "thinking" ? 0.16 : this.state === "off" ? 0.2 : 0.12;
    for (let wave = WAVES - 1; wave >= 0; wave -= 1) {
      const fade = 1 - wave / WAVES;
      this.#wave(pen, size, { height: rest + 0.9 * this.level.agent, turn: 1, wave, alpha: 0.95 * fade });
      this.#wave(pen, size, { height: rest + 0.9 * this.level.user, turn: -1, wave, alpha: 0.5 * fade });
    }
    pen.restore();
  }

  /**
   * One line across the orb, calm at the rim.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {number} size
   * @param {{height: number, turn: 1 | -1, wave: number, alpha: number}} look
   */
  #wave(pen, size, { height, turn, wave, alpha }) {
    const middle = size / 2;
    const steps = 48;
    pen.beginPath();
    for (let i = 0; i <= steps; i += 1) {
      const x = i / steps;
      const calm = Math.sin(Math.PI * x) ** 2;
      const swing = Math.sin(2 * Math.PI * (1.15 * x - turn * this.phase * 0.55) + wave * 0.55 * turn);
      const y = middle + turn * swing * calm * height * middle * (0.85 - wave * 0.22);
      if (i === 0) pen.moveTo(0, y);
      else pen.lineTo(x * size, y);
    }
    pen.strokeStyle = this.accent;
    pen.globalAlpha = alpha;
    pen.lineWidth = Math.max(1.5, size / (wave === 0 ? 42 : 80));
    pen.lineCap = "round";
    pen.stroke();
  }
}
