/** What a browser may import of the contract: headers, problem details and identifiers. Nothing here needs Node. */
export * from './headers.ts'
export * from './identifiers.ts'
export * from './problem-details.ts'
