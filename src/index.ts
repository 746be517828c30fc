/** What a configuration file imports from `postrider`. */

export { type Config, defineConfig, type PostriderConfig } from './config/config.ts';
