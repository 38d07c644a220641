/**
 * A listener that throws would end the process, and with it everybody's requests. Wrapped, a defect of the router costs
 * the connection that met it, and nobody else anything.
 */
export function guard(onDefect: (error: Error) => void, listener: () => void): () => void {
  return () => {
    try {
      listener()
    } catch (error) {
      onDefect(error as Error)
    }
  }
}
