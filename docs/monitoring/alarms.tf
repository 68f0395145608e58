# Alarms on what knee-run --emf writes, for one service.

variable "service" {
  type        = string
  description = "The dimension `service` of its metrics, such as gunicorn."
}

variable "topic" {
  type        = string
  description = "ARN of the SNS topic that is told."
}

locals {
  # A metric above its threshold in so many of so many minutes.
  metrics = {
    throttled = {
      description = "The CPU quota ran out in more than a quarter of the periods"
      metric      = "knee.cpu.throttled"
      statistic   = "Average"
      threshold   = 0.25
      minutes     = 3
      of          = 5
    }
    accept-queue = {
      description = "Connections wait to be accepted"
      metric      = "knee.accept_queue"
      statistic   = "Minimum"
      threshold   = 0
      minutes     = 5
      of          = 5
    }
    event-loop = {
      description = "The event loop is more than half a second late"
      metric      = "nodejs.eventloop.delay.p99"
      statistic   = "Maximum"
      threshold   = 0.5
      minutes     = 3
      of          = 5
    }
    troubles = {
      description = "knee told of trouble: the log has the evidence and the remedy"
      metric      = "knee.troubles"
      statistic   = "Sum"
      threshold   = 0
      minutes     = 1
      of          = 1
    }
  }

  # A metric above a share of another one in three of five minutes.
  shares = {
    memory = {
      description = "More than 90 % of the task's memory is used"
      metric      = "container.memory.working_set"
      statistic   = "Maximum"
      most        = "knee.memory.limit"
      threshold   = 0.9
    }
    descriptors = {
      description = "More than 80 % of the descriptors of a process are open"
      metric      = "process.unix.file_descriptor.count"
      statistic   = "Maximum"
      most        = "knee.file_descriptor.limit"
      threshold   = 0.8
    }
    pool = {
      description = "More than 90 % of the workers are busy"
      metric      = "knee.in_service"
      statistic   = "Average"
      most        = "knee.slots"
      threshold   = 0.9
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each = local.metrics

  alarm_name          = "${var.service}-knee-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.of
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]
  namespace           = "knee"
  metric_name         = each.value.metric
  dimensions          = { service = var.service }
  period              = 60
  statistic           = each.value.statistic
}

resource "aws_cloudwatch_metric_alarm" "share" {
  for_each = local.shares

  alarm_name          = "${var.service}-knee-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]

  metric_query {
    id          = "share"
    expression  = "used / most"
    label       = each.value.description
    return_data = true
  }

  metric_query {
    id = "used"

    metric {
      namespace   = "knee"
      metric_name = each.value.metric
      dimensions  = { service = var.service }
      period      = 60
      stat        = each.value.statistic
    }
  }

  metric_query {
    id = "most"

    metric {
      namespace   = "knee"
      metric_name = each.value.most
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Average"
    }
  }
}
