/** What schemas are made of, beside valibot itself, and how one is applied. */
export * from './containers.ts'
export * from './parse-with.ts'
export * from './scalars.ts'
