/** What is said of each end of the working process: by itself, or by its parent where it could not. */

/**
 * A process that ends because its store failed says so. The library may not survive the failure (it puts it down in too
 * small a buffer): then its parent tells of the signal alone, or of both when the process had come to say it.
 */
export function lastWords(output: string): readonly string[] {
  const words: string[] = [];
  let isSaid = false;
  for (const line of output.split('\n')) {
    if (/this process must end/.test(line)) {
      words.push(line);
      isSaid = true;
    } else if (/died, starting it again/.test(line)) {
      if (!isSaid && /signal=SIGABRT/.test(line)) words.push(line);
      isSaid = false;
    }
  }
  return words;
}
