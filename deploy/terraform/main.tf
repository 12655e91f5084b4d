# Tells Fivetran to deliver to Lifeline: logs of one destination through the Splunk form, and, when a
# webhook address is given, account-wide webhooks. Apply it when Lifeline is up and reachable, since
# Fivetran calls both addresses once while it creates them.

terraform {
  required_version = ">= 1.5"

  required_providers {
    fivetran = {
      source  = "fivetran/fivetran"
      version = ">= 1.9.16"
    }
  }
}

# Reads FIVETRAN_APIKEY and FIVETRAN_APISECRET from the environment.
provider "fivetran" {}

resource "fivetran_external_logging" "lifeline" {
  group_id        = var.group_id
  service         = "splunkLog"
  enabled         = true
  run_setup_tests = true

  config {
    host       = var.lifeline_host
    port       = var.lifeline_port
    token      = var.ingest_token
    channel    = var.channel
    enable_ssl = var.enable_ssl
  }
}

resource "fivetran_webhook" "lifeline" {
  count = var.webhook_url == null ? 0 : 1

  type      = var.webhook_group_id == null ? "account" : "group"
  group_id  = var.webhook_group_id
  url       = var.webhook_url
  secret    = var.webhook_secret
  events    = var.webhook_events
  active    = true
  run_tests = false

  lifecycle {
    precondition {
      condition     = var.webhook_secret != null
      error_message = "webhook_secret is needed as soon as webhook_url is set: Lifeline accepts signed webhooks only."
    }
  }
}

output "external_logging_id" {
  description = "Identifier of the log service; Fivetran uses the destination's group id."
  value       = fivetran_external_logging.lifeline.id
}

output "webhook_id" {
  description = "Identifier of the webhook, or null when none was asked for."
  value       = one(fivetran_webhook.lifeline[*].id)
}
