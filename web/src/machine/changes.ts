// Changes to disks, as kept in the browser's private file system.

/** The folder of all of them. */
export const FOLDER = "overlays";
/** How often a folder that an ending worker still uses is tried again, and the pause between. */
const TRIES = 20;
const PAUSE_MS = 100;

/** A name without characters that file systems dislike. */
export function plain(name: string): string {
  return encodeURIComponent(name).replaceAll("%", "_").slice(0, 100) || "_";
}

/** Removes the changes to a disk of a machine that does not run. */
export async function forgetChanges(machine: string, disk: string): Promise<void> {
  let at = await navigator.storage.getDirectory();
  for (const name of [FOLDER, plain(machine)]) at = await at.getDirectoryHandle(name, { create: true });
  for (let tried = 1; ; tried++) {
    try {
      return await at.removeEntry(plain(disk), { recursive: true });
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotFoundError") return;
      if (tried === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
