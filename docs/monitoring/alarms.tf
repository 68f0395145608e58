# Alarms on what knee-run --emf writes, for one service.

variable "service" {
  type        = string
  description = "The dimension `service` of its metrics, such as gunicorn."
}

variable "topic" {
  type        = string
  description = "ARN of the SNS topic that is told."
}

resource "aws_cloudwatch_metric_alarm" "throttled" {
  alarm_name          = "${var.service}-knee-throttled"
  alarm_description   = "The CPU quota ran out in more than a quarter of the periods"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.25
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]
  namespace           = "knee"
  metric_name         = "knee.cpu.throttled"
  dimensions          = { service = var.service }
  period              = 60
  statistic           = "Average"
}

resource "aws_cloudwatch_metric_alarm" "memory" {
  alarm_name          = "${var.service}-knee-memory"
  alarm_description   = "More than 90 % of the task's memory is used"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.9
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]

  metric_query {
    id          = "share"
    expression  = "used / most"
    label       = "More than 90 % of the task's memory is used"
    return_data = true
  }

  metric_query {
    id = "used"

    metric {
      namespace   = "knee"
      metric_name = "container.memory.working_set"
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Maximum"
    }
  }

  metric_query {
    id = "most"

    metric {
      namespace   = "knee"
      metric_name = "knee.memory.limit"
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Average"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "descriptors" {
  alarm_name          = "${var.service}-knee-descriptors"
  alarm_description   = "More than 80 % of the descriptors of a process are open"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.8
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]

  metric_query {
    id          = "share"
    expression  = "used / most"
    label       = "More than 80 % of the descriptors of a process are open"
    return_data = true
  }

  metric_query {
    id = "used"

    metric {
      namespace   = "knee"
      metric_name = "process.unix.file_descriptor.count"
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Maximum"
    }
  }

  metric_query {
    id = "most"

    metric {
      namespace   = "knee"
      metric_name = "knee.file_descriptor.limit"
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Average"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "pool" {
  alarm_name          = "${var.service}-knee-pool"
  alarm_description   = "More than 90 % of the workers are busy"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.9
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]

  metric_query {
    id          = "share"
    expression  = "used / most"
    label       = "More than 90 % of the workers are busy"
    return_data = true
  }

  metric_query {
    id = "used"

    metric {
      namespace   = "knee"
      metric_name = "knee.in_service"
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Average"
    }
  }

  metric_query {
    id = "most"

    metric {
      namespace   = "knee"
      metric_name = "knee.slots"
      dimensions  = { service = var.service }
      period      = 60
      stat        = "Average"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "accept_queue" {
  alarm_name          = "${var.service}-knee-accept-queue"
  alarm_description   = "Connections wait to be accepted"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 5
  datapoints_to_alarm = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]
  namespace           = "knee"
  metric_name         = "knee.accept_queue"
  dimensions          = { service = var.service }
  period              = 60
  statistic           = "Minimum"
}

resource "aws_cloudwatch_metric_alarm" "event_loop" {
  alarm_name          = "${var.service}-knee-event-loop"
  alarm_description   = "The event loop is more than half a second late"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.5
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]
  namespace           = "knee"
  metric_name         = "nodejs.eventloop.delay.p99"
  dimensions          = { service = var.service }
  period              = 60
  statistic           = "Maximum"
}

resource "aws_cloudwatch_metric_alarm" "troubles" {
  alarm_name          = "${var.service}-knee-troubles"
  alarm_description   = "knee told of trouble: the log has the evidence and the remedy"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic]
  namespace           = "knee"
  metric_name         = "knee.troubles"
  dimensions          = { service = var.service }
  period              = 60
  statistic           = "Sum"
}
