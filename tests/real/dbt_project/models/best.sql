select max(revenue) as best from {{ ref('revenue') }}
