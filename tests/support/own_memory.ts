/**
 * Bytes of objects and buffers that this test module's isolate holds. The process's resident memory says nothing here:
 * modules run side by side in one process.
 */
export function ownMemory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
