/** @cellplane/agent: runs a host's cells, with the control plane or without it. */
export { type Agent, startAgent } from './agent.ts'
export { type AgentConfig, agentConfigSchema, readAgentConfig } from './config.ts'
