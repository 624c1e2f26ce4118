// Reads a JSON list of badges from standard input and prints the list of what badge-maker draws for them.
import { readFileSync } from 'node:fs'
import { makeBadge } from 'badge-maker'

const badges = JSON.parse(readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(badges.map(badge => makeBadge(badge))))
