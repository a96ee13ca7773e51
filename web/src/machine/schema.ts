// What commands there are, from `query-qmp-schema`.

interface Member {
  name: string;
  type: string;
  default?: unknown;
}

interface SchemaRow {
  name: string;
  "meta-type": string;
  "arg-type"?: string;
  "ret-type"?: string;
  members?: (Member | { name: string })[];
  values?: string[];
  "element-type"?: string;
  "json-type"?: string;
}

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
export function commands(rows: SchemaRow[]): Map<string, Command> {
  const byName = new Map(rows.map((row) => [`${row["meta-type"] === "command" ? "!" : ""}${row.name}`, row]));
  const type = (name: string, depth: number): string => {
    const row = byName.get(name);
    switch (row?.["meta-type"]) {
      case "builtin":
        return row["json-type"] ?? row.name;
      case "enum":
        return values(row).join(" | ") || "enum";
      case "array":
        return `[${type(row["element-type"]!, depth + 1)}]`;
      case "object": {
        if (depth > 1) return "{…}";
        const inside = members(row).map((m) => `${m.name}${"default" in m ? "?" : ""}: ${type(m.type, depth + 1)}`);
        return inside.length > 0 ? `{ ${inside.join(", ")} }` : "nothing";
      }
      default:
        return row?.["meta-type"] ?? name;
    }
  };
  const found = rows
    .filter((row) => row["meta-type"] === "command")
    .map((row): [string, Command] => {
      const args = byName.get(row["arg-type"]!);
      const parameters = (args ? members(args) : []).map((member) => {
        const row = byName.get(member.type);
        return {
          name: member.name,
          type: type(member.type, 1),
          optional: "default" in member,
          values: row?.["meta-type"] === "enum" ? values(row) : [],
        };
      });
      return [row.name, { name: row.name, parameters, returns: type(row["ret-type"]!, 0) }];
    });
  return new Map(found.sort(([a], [b]) => a.localeCompare(b)));
}

function members(row: SchemaRow): Member[] {
  return (row.members ?? []).filter((m): m is Member => "type" in m);
}

function values(row: SchemaRow): string[] {
  return row.values ?? (row.members ?? []).map((m) => m.name);
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
