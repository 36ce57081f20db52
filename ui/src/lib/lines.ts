/** JSON texts, one a line, out of pieces that end anywhere. What follows the last line break is not a line yet. */
export class LineParser<T> {
  #rest = '';

  /** The lines that end within this piece. Throws where one is not JSON. */
  push(piece: string): T[] {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as T);
  }
}
