// A QMP client over a MessagePort, which knows the schema's commands and events.

import type { Commands, Events, QapiErrorClass } from "./qmp-types";

export interface QmpError {
  class: QapiErrorClass;
  desc: string;
}

interface EventNamed<E extends keyof Events> {
  event: E;
  data: Events[E];
  timestamp: { seconds: number; microseconds: number };
}

/** An event: its name tells what data it has. */
export type QmpEvent = { [E in keyof Events]: EventNamed<E> }[keyof Events];

/** What a command takes: nothing has to be given where everything may be left out. */
export type QmpArguments<C extends keyof Commands> =
  Record<never, never> extends Commands[C]["arguments"]
    ? [args?: Commands[C]["arguments"]]
    : [args: Commands[C]["arguments"]];

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

  /** Runs a command of the schema; what it returns, or an error that holds the monitor's. */
  async execute<C extends keyof Commands>(command: C, ...[args]: QmpArguments<C>): Promise<Commands[C]["returns"]> {
    return (await this.ask(command, args)) as Commands[C]["returns"];
  }

  /** The same for what somebody typed: any command, any arguments. */
  async ask(command: string, args?: object): Promise<unknown> {
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
