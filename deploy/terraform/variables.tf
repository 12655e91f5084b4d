variable "group_id" {
  description = "Fivetran group (destination) whose logs Lifeline shall receive. Use the module once per destination."
  type        = string
}

variable "lifeline_host" {
  description = "Public host name of Lifeline, without scheme, port or path."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+$", var.lifeline_host))
    error_message = "Give a bare host name such as lifeline.example.com; scheme and port are separate settings."
  }
}

variable "lifeline_port" {
  description = "Port seen from outside: 443 behind a proxy, 8088 when Lifeline terminates TLS itself."
  type        = number
  default     = 443

  validation {
    condition     = var.lifeline_port >= 1 && var.lifeline_port <= 65535
    error_message = "A port lies between 1 and 65535."
  }
}

variable "enable_ssl" {
  description = "Whether Fivetran speaks TLS. Logs hold names and error texts: leave this on."
  type        = bool
  default     = true
}

variable "ingest_token" {
  description = "The token part of LIFELINE_INGEST_TOKEN (without the NAME= in front of it)."
  type        = string
  sensitive   = true
}

variable "channel" {
  description = "HEC channel, a GUID. Lifeline needs none; any fixed value serves."
  type        = string
  default     = "6f1d2c3b-4a59-4e68-8b77-9c0d1e2f3a4b"

  validation {
    condition     = can(regex("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", var.channel))
    error_message = "A channel has the form of a GUID."
  }
}

variable "webhook_url" {
  description = "Public address of the webhook route, e.g. https://lifeline.example.com/v1/webhooks/fivetran. Null creates no webhook."
  type        = string
  default     = null

  validation {
    condition     = var.webhook_url == null || can(regex("^https://", var.webhook_url))
    error_message = "Fivetran refuses webhook addresses that are not https."
  }
}

variable "webhook_group_id" {
  description = "Limit the webhook to one group. Null means the whole account."
  type        = string
  default     = null
}

variable "webhook_secret" {
  description = "Value of LIFELINE_WEBHOOK_SECRET."
  type        = string
  default     = null
  sensitive   = true
}

variable "webhook_events" {
  description = "Events to deliver. Fivetran refuses names it does not know, so drop those your account rejects."
  type        = set(string)
  default = [
    "sync_start",
    "sync_end",
    "connection_successful",
    "connection_failure",
    "create_connector",
    "edit_connector",
    "pause_connector",
    "resume_connector",
    "delete_connector",
    "force_update_connector",
    "resync_connector",
    "resync_table",
    "transformation_start",
    "transformation_succeeded",
    "transformation_failed",
  ]
}
