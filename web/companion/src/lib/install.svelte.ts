/** The browser's offer to put the companion on the home screen, kept until the person wants it. */

interface InstallEvent extends Event {
  prompt(): Promise<unknown>;
}

class Install {
  #event = $state.raw<InstallEvent | null>(null);

  constructor() {
    addEventListener("beforeinstallprompt", (event) => {
      event.preventDefault();
      this.#event = event as InstallEvent;
    });
    addEventListener("appinstalled", () => (this.#event = null));
  }

  get possible(): boolean {
    return this.#event !== null;
  }

  async ask(): Promise<void> {
    const event = this.#event;
    this.#event = null;
    await event?.prompt();
  }
}

export const install = new Install();
