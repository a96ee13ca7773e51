// Files to and from the guest, through the folder that it mounts by 9p.

import type { SharedFile, ToWorker } from "../protocol";
import { bytes, h } from "../ui/dom";
import { contents } from "../worker/files";

declare global {
  interface Window {
    /** Of the File System Access API, which not every browser has. */
    showDirectoryPicker?(options: { mode: "read" | "readwrite" }): Promise<FileSystemDirectoryHandle>;
  }
}

export class FilesPanel {
  readonly element = h("section", { class: "details", "aria-label": "Files" });
  private readonly list = h("ul", { class: "files", "aria-label": "Shared files" });

  private readonly problem = h("p", { role: "alert", class: "problem", hidden: true });

  constructor(private readonly tell: (message: ToWorker) => void) {
    const picker = h("input", { type: "file", multiple: true, id: "upload", onchange: () => void this.upload(picker.files) });
    const drop = (event: DragEvent) => {
      event.preventDefault();
      void this.upload(event.dataTransfer?.files ?? null);
    };
    this.element.append(
      h("p", {}, "A folder that this page and the guest share. In the guest: ", h("code", {}, "mount -t 9p -o trans=virtio share /mnt")),
      h(
        "div", { class: "drop", ondragover: (e: DragEvent) => e.preventDefault(), ondrop: drop },
        h("label", { for: "upload" }, "Upload files"), picker,
      ),
      this.folder(),
      this.problem,
      this.list,
      h("p", { class: "buttons" }, h("button", { onclick: () => this.tell({ type: "list" }) }, "Look again")),
    );
  }

  /** The way to share a folder of the person's computer, or why there is none. */
  private folder(): HTMLElement {
    if (!window.showDirectoryPicker) {
      return h("p", {}, "This browser cannot share a folder of your computer with the guest (it has no File System Access API).");
    }
    return h(
      "p", { class: "buttons" },
      h("button", { onclick: () => void this.share() }, "Share a folder of this computer"),
      "The guest may read and change what is in it.",
    );
  }

  private async share(): Promise<void> {
    this.problem.hidden = true;
    try {
      const handle = await window.showDirectoryPicker!({ mode: "readwrite" });
      this.tell({ type: "folder", handle });
    } catch (error) {
      if ((error as Error).name === "AbortError") return;
      this.problem.textContent = `Not shared: ${(error as Error).message}.`;
      this.problem.hidden = false;
    }
  }

  private async upload(files: FileList | null): Promise<void> {
    this.problem.hidden = true;
    for (const file of files ?? []) {
      try {
        this.tell({ type: "upload", name: file.name, bytes: await contents(file) });
      } catch (error) {
        this.problem.textContent = `Not uploaded: ${(error as Error).message}.`;
        this.problem.hidden = false;
      }
    }
  }

  show(files: SharedFile[]): void {
    const row = ({ name, size }: SharedFile) =>
      h("li", {}, h("code", {}, name), ` ${bytes(size)} `, h("button", { onclick: () => this.tell({ type: "download", name }), "aria-label": `Download ${name}` }, "Download"));
    this.list.replaceChildren(...files.map(row));
  }
}
