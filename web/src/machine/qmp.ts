// A QMP client over a MessagePort.

export interface QmpError {
  class: string;
  desc: string;
}

export interface QmpEvent {
  event: string;
  data?: Record<string, unknown>;
  timestamp: { seconds: number; microseconds: number };
}

type Answer = { return: unknown; id?: number } | { error: QmpError; id?: number };

/** A conversation with the machine's monitor. */
export class Qmp {
  onEvent: (event: QmpEvent) => void = () => {};
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private last = 0;
  /** Settled when commands may be sent. */
  readonly ready: Promise<unknown>;

  constructor(private readonly port: MessagePort) {
    this.ready = new Promise((resolve) => {
      port.onmessage = ({ data }: MessageEvent<string>) => {
        const message = JSON.parse(data) as Record<string, unknown>;
        if ("QMP" in message) resolve(this.send("qmp_capabilities"));
        else if ("event" in message) this.onEvent(message as unknown as QmpEvent);
        else this.answered(message as Answer);
      };
    });
  }

  private answered(answer: Answer): void {
    const then = answer.id === undefined ? undefined : this.waiting.get(answer.id);
    if (answer.id === undefined || !then) return;
    this.waiting.delete(answer.id);
    then(answer);
  }

  private send(execute: string, args?: object): Promise<Answer> {
    const id = ++this.last;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.port.postMessage(JSON.stringify({ execute, ...(args && { arguments: args }), id }));
    });
  }

  /** Runs a command; what it returns, or an error that holds the monitor's. */
  async execute(command: string, args?: object): Promise<unknown> {
    await this.ready;
    const answer = await this.send(command, args);
    if ("error" in answer) throw new QmpFailure(answer.error);
    return answer.return;
  }
}

/** A command that was refused. */
export class QmpFailure extends Error {
  constructor(readonly error: QmpError) {
    super(error.desc);
  }
}
