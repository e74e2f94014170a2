# lineage-proxy in Terraform: the project's own template as a stack, with parameters of this configuration.
#
#   ./sync_assets.sh -b BUCKET -o lineage-proxy        # uploads the code, and writes the templates that name it
#   terraform apply -var bucket=BUCKET -var domain=dzd_a1b2c3d4

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  description = "The bucket that sync_assets.sh uploaded the code to, in the region of the provider."
  type        = string
}

variable "domain" {
  description = "Id of the DataZone domain."
  type        = string
}

variable "template" {
  description = "The template that sync_assets.sh wrote."
  type        = string
  default     = "lineage-proxy/openlineage-proxy.yaml"
}

data "aws_caller_identity" "current" {}

# The template is larger than CloudFormation takes in a request, so it is read from the bucket. Its key is its hash: a new one is a
# change of the stack.
resource "aws_s3_object" "template" {
  bucket = var.bucket
  key    = "lineage-proxy/templates/${filesha256(var.template)}.yaml"
  source = var.template
}

# A topic of this configuration receives the alarms, as it may receive those of others.
resource "aws_sns_topic" "on_call" {
  name = "lineage-on-call"
}

resource "aws_sns_topic_policy" "on_call" {
  arn = aws_sns_topic.on_call.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.on_call.arn
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_cloudformation_stack" "lineage_proxy" {
  name         = "lineage-proxy"
  template_url = "https://${var.bucket}.s3.amazonaws.com/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_IAM"]
  parameters = {
    S3AssetsBucketName = var.bucket
    DomainId           = var.domain
    AlarmTopicArn      = aws_sns_topic.on_call.arn
  }
}

output "openlineage_url" {
  value = "${aws_cloudformation_stack.lineage_proxy.outputs["LineageProxyApiUrl"]}${aws_cloudformation_stack.lineage_proxy.outputs["LineageProxyApiPath"]}"
}
