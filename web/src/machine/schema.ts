// What commands there are, from `query-qmp-schema`.

import type { SchemaInfo, SchemaInfoObjectMember } from "./qmp-types";

type Row<M extends SchemaInfo["meta-type"]> = SchemaInfo & { "meta-type": M };

/** A parameter of a command. */
export interface Parameter {
  name: string;
  type: string;
  optional: boolean;
  /** The words that it may be, if it is one of some. */
  values: string[];
}

/** A command with what it takes and returns. */
export interface Command {
  name: string;
  parameters: Parameter[];
  returns: string;
}

/** The commands of a schema, by name. */
export function commands(rows: SchemaInfo[]): Map<string, Command> {
  const isCommand = (row: SchemaInfo): row is Row<"command"> => row["meta-type"] === "command";
  const byName = new Map(rows.filter((row) => !isCommand(row)).map((row) => [row.name, row]));
  const type = (name: string, depth: number): string => {
    const row = byName.get(name);
    switch (row?.["meta-type"]) {
      case "builtin":
        return row["json-type"];
      case "enum":
        return row.values.join(" | ") || "enum";
      case "array":
        return `[${type(row["element-type"], depth + 1)}]`;
      case "object": {
        if (depth > 1) return "{…}";
        const inside = row.members.map((m) => `${m.name}${optional(m) ? "?" : ""}: ${type(m.type, depth + 1)}`);
        return inside.length > 0 ? `{ ${inside.join(", ")} }` : "nothing";
      }
      default:
        return row?.["meta-type"] ?? name;
    }
  };
  const found = rows.filter(isCommand).map((row): [string, Command] => {
    const args = byName.get(row["arg-type"]);
    const parameters = (args?.["meta-type"] === "object" ? args.members : []).map((member) => {
      const kind = byName.get(member.type);
      return {
        name: member.name,
        type: type(member.type, 1),
        optional: optional(member),
        values: kind?.["meta-type"] === "enum" ? kind.values : [],
      };
    });
    return [row.name, { name: row.name, parameters, returns: type(row["ret-type"], 0) }];
  });
  return new Map(found.sort(([a], [b]) => a.localeCompare(b)));
}

function optional(member: SchemaInfoObjectMember): boolean {
  return "default" in member;
}

/** A command line of the console: JSON as on the wire, or `command key=value …`. */
export function parseCommand(text: string): { execute: string; arguments?: Record<string, unknown> } {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) {
    const message = JSON.parse(trimmed) as { execute?: unknown; arguments?: Record<string, unknown> };
    if (typeof message.execute !== "string") throw new Error('a JSON command has a member "execute"');
    return { execute: message.execute, ...(message.arguments && { arguments: message.arguments }) };
  }
  const [execute = "", ...words] = trimmed.match(/(?:[^\s"']|"(?:\\.|[^"])*"|'[^']*')+/g) ?? [];
  if (words.length === 0) return { execute };
  const args: Record<string, unknown> = {};
  for (const word of words) {
    const at = word.indexOf("=");
    if (at <= 0) throw new Error(`"${word}": arguments are written key=value`);
    args[word.slice(0, at)] = parseValue(word.slice(at + 1));
  }
  return { execute, arguments: args };
}

/** JSON where it is, else a text. */
function parseValue(text: string): unknown {
  const single = /^'(.*)'$/s.exec(text);
  if (single) return single[1];
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
