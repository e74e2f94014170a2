@postgres

select id as order_id, customer, cast(amount as double precision) as amount from "postgres"."analytics"."raw_orders"

create table "shop"."main"."stg_orders__dbt_tmp" as ( with source as ( select * from "shop"."main"."raw_orders" ), renamed as ( select id as order_id, user_id as customer_id, order_date, status from source ) select * from renamed )

⟦/* {"app": "dbt", "dbt_version": "1.9.0", "node_id": "model.shop.orders"} */⟧ create view "shop"."main"."orders__dbt_tmp" as (select o.order_id, c.name from "shop"."main"."stg_orders" o left join "shop"."main"."stg_customers" c on o.customer_id = c.customer_id)

alter view "shop"."main"."orders__dbt_tmp" rename to "orders"

insert into public.o2 (id, v, created_at) values (⟦1⟧, ⟦'first'⟧, now()), (⟦2⟧, ⟦'it''s second'⟧, now()) on conflict (id) do update set v = excluded.v returning id

select payload->>⟦'name'⟧ as name, payload #>> ⟦'{address,city}'⟧ as city, payload @> ⟦'{"active": true}'⟧::jsonb as active from events where payload ? ⟦'name'⟧

select date_trunc(⟦'month'⟧, ordered_at) as month, sum(amount) filter (where status = ⟦'paid'⟧) as paid, count(distinct customer_id) from orders group by ⟦1⟧ order by ⟦1⟧ desc

select row_number() over (partition by customer_id order by ordered_at desc) as rn, lag(amount, ⟦1⟧, ⟦0⟧) over w as previous from orders window w as (partition by customer_id order by ordered_at rows between unbounded preceding and current row)

with recursive tree as (select id, parent_id, name, ⟦0⟧ as depth from categories where parent_id is null union all select c.id, c.parent_id, c.name, t.depth + ⟦1⟧ from categories c join tree t on t.id = c.parent_id) select * from tree where depth < ⟦5⟧

delete from sessions using users where sessions.user_id = users.id and users.deleted_at < now() - interval ⟦'30 days'⟧

update accounts set balance = balance - ⟦100.50⟧, updated_at = current_timestamp where account_id = $1 and status <> ⟦'closed'⟧

copy analytics.events (event_id, event_type, payload) from ⟦'/data/events.csv'⟧ with (format csv, header true, delimiter ⟦','⟧, null ⟦''⟧)

create index concurrently if not exists idx_orders_customer on orders using btree (customer_id, ordered_at desc) where status = ⟦'open'⟧

select regexp_replace(phone, ⟦'[^0-9]+'⟧, ⟦''⟧, ⟦'g'⟧) as digits, email ~* ⟦'^[a-z]+@example\.com$'⟧ as internal from contacts

select generate_series(⟦1⟧, ⟦10⟧) as n, array_agg(distinct tag order by tag) as tags, string_agg(name, ⟦', '⟧) as names from items cross join lateral unnest(tags) as tag group by item_id having count(*) > ⟦1⟧

create materialized view mv_daily_revenue as select ordered_at::date as day, sum(amount) as revenue from orders group by ordered_at::date with no data

refresh materialized view concurrently mv_daily_revenue

truncate table staging.raw_orders restart identity cascade

select e.id, e.name, m.name as manager from employees e left join employees m on m.id = e.manager_id where e.hired_at between ⟦date '2020-01-01'⟧ and ⟦date '2020-12-31'⟧

select coalesce(nullif(trim(first_name), ⟦''⟧), ⟦E'unknown\'s'⟧) as first_name from people ⟦-- it's a comment⟧
where last_name like ⟦'O''%'⟧ ⟦/* another 'comment' */⟧ limit ⟦50⟧ offset ⟦100⟧

select jsonb_build_object(⟦'id'⟧, id, ⟦'total'⟧, total) from totals where jsonb_path_exists(data, ⟦'$.items[*] ? (@.qty > 5)'⟧)

grant select, insert on all tables in schema analytics to reporting_role

begin; set local statement_timeout = ⟦'5min'⟧; merge into target t using source s on t.id = s.id when matched and s.deleted then delete when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name); commit

select * from orders tablesample bernoulli (⟦10⟧) where (customer_id, status) in (select customer_id, status from vip_statuses)

select percentile_cont(⟦0.95⟧) within group (order by latency_ms) as p95 from requests where path similar to ⟦'/api/(v1|v2)/%'⟧

create table if not exists audit.log (id bigserial primary key, actor text not null default current_user, action varchar(⟦64⟧) check (action in (⟦'insert'⟧, ⟦'update'⟧)), at timestamptz default now())

explain analyze select count(*) from page_views pv where exists (select ⟦1⟧ from sessions s where s.id = pv.session_id and s.country = ⟦'DE'⟧)

select extract(epoch from (ended_at - started_at)) as seconds, to_char(started_at, ⟦'YYYY-MM-DD'⟧) as day from runs

create temporary table "raw_customers__tmp20240501" as select "Customer Id", "First Name" from "shop"."main"."raw_customers"

select a.*, b.total from (select customer_id, max(ordered_at) as last_order from orders group by customer_id) a join lateral (select sum(amount) as total from orders o where o.customer_id = a.customer_id) b on true

vacuum analyze public.orders

@duckdb

create or replace table orders as select * from read_parquet(⟦'s3://bucket/orders/*.parquet'⟧, hive_partitioning = true)

select customer, sum(amount) as total from "shop"."main"."stg_orders" group by all order by total desc

copy (select * from orders where year = ⟦2_024⟧) to ⟦'out.parquet'⟧ (format parquet, compression zstd)

select list_transform([⟦1⟧, ⟦2⟧, ⟦3⟧], x -> x + ⟦1⟧) as l, struct_pack(a := ⟦1⟧, b := ⟦'x'⟧) as s, map_extract(m, ⟦'k'⟧) from t

from orders select customer_id, count(*) where status = ⟦'open'⟧ group by customer_id

pivot cities on year using sum(population) group by country

attach ⟦'catalog.db'⟧ as cat (type sqlite); use cat; show tables

select * exclude (internal_id) replace (upper(name) as name) from customers qualify row_number() over (partition by email order by updated_at desc) = ⟦1⟧

insert into shop.main.orders by name select id, customer_id, amount from staging.orders

summarize select * from orders

@redshift

copy sales.orders from ⟦'s3://bucket/orders/'⟧ iam_role ⟦'arn:aws:iam::123456789012:role/loader'⟧ format as parquet

unload (⟦'select * from sales.orders where day = ''2024-05-01'''⟧) to ⟦'s3://bucket/unload/'⟧ iam_role default format parquet partition by (day) allowoverwrite

create table sales.orders_2024 (order_id bigint encode az64, customer_id bigint distkey, status varchar(⟦16⟧) encode zstd, ordered_at timestamp) diststyle key sortkey (ordered_at)

select listagg(distinct sku, ⟦','⟧) within group (order by sku) as skus, median(price) from sales.lines where order_id in (select order_id from sales.orders where status = ⟦'shipped'⟧) group by order_id

insert into "dev"."public"."agg_orders" (day, n, revenue) select trunc(ordered_at), count(*), sum(amount) from "dev"."public"."orders" group by ⟦1⟧

alter table sales.orders append from staging.orders_new

create external schema spectrum from data catalog database ⟦'lake'⟧ iam_role default

select json_extract_path_text(payload, ⟦'user'⟧, ⟦'id'⟧) as user_id, dateadd(day, ⟦-7⟧, getdate()) as week_ago from raw.events

delete from sales.orders where order_id in (select order_id from staging.deletes); analyze sales.orders

select top ⟦10⟧ sku, sum(quantity) as q from sales.lines group by sku order by q desc

create materialized view mv_sales auto refresh yes as select store_id, sum(amount) as amount from sales.orders group by store_id

grant usage on schema sales to group analysts

select approximate count(distinct customer_id) as customers, ratio_to_report(amount) over (partition by region) from sales.orders

merge into sales.target using staging.source on target.id = source.id when matched then update set name = source.name when not matched then insert values (source.id, source.name)

@snowflake

create or replace transient table analytics.dbt.orders as (with orders as (select * from analytics.dbt.stg_orders), payments as (select * from analytics.dbt.stg_payments) select orders.order_id, payments.amount from orders left join payments using (order_id))

copy into raw.events from @raw.stage/events/ file_format = (type = json strip_outer_array = true) pattern = ⟦'.*[.]json'⟧ on_error = ⟦'skip_file'⟧

select src:customer.name::string as name, f.value:sku::string as sku, src[⟦'items'⟧][⟦0⟧]:price::number as price from raw.events, lateral flatten(input => src:items) f

merge into analytics.customers t using (select * from staging.customers qualify row_number() over (partition by id order by updated_at desc) = ⟦1⟧) s on t.id = s.id when matched and s.deleted then delete when matched then update set t.name = s.name, t.updated_at = current_timestamp() when not matched then insert (id, name) values (s.id, s.name)

select iff(amount > ⟦100⟧, ⟦'big'⟧, ⟦'small'⟧) as size, try_to_date(day, ⟦'YYYY-MM-DD'⟧) as day, $1, $2 from @raw.stage/file.csv

create or replace stream orders_stream on table raw.orders append_only = true

create or replace task load_orders warehouse = etl_wh schedule = ⟦'5 minute'⟧ when system$stream_has_data(⟦'orders_stream'⟧) as insert into analytics.orders select * from orders_stream

select * from analytics.orders at (timestamp => ⟦'2024-05-01 00:00:00'⟧::timestamp_ltz) where region ilike ⟦'eu%'⟧

alter warehouse etl_wh set warehouse_size = large auto_suspend = ⟦60⟧

select object_construct(⟦'id'⟧, id, ⟦'name'⟧, name) as o, array_agg(tag) within group (order by tag) from analytics.tags group by id, name ⟦// trailing comment⟧

select "Order Id", "Customer Name" from "ANALYTICS"."PUBLIC"."Order Details" where "Region" = ⟦'EMEA'⟧

call analytics.refresh_orders(⟦'2024-05-01'⟧, true)

create or replace view analytics.v_orders comment = ⟦'orders, one row an order'⟧ as select order_id, status from analytics.orders where not is_deleted

select seq4() as n, uniform(⟦1⟧, ⟦100⟧, random()) as r from table(generator(rowcount => ⟦1000⟧))

insert overwrite into analytics.daily select to_date(ordered_at), count(*) from analytics.orders group by ⟦1⟧

select * from orders pivot (sum(amount) for month in (⟦'JAN'⟧, ⟦'FEB'⟧)) as p

alter session set query_tag = ⟦'dbt run'⟧

create or replace dynamic table analytics.daily target_lag = ⟦'20 minutes'⟧ warehouse = etl_wh as select store_id, count(*) as n from raw.orders group by store_id

put ⟦'file:///tmp/data.csv'⟧ @raw.stage auto_compress = true

@bigquery

create or replace table `project.dataset.orders` partition by date(ordered_at) cluster by customer_id options(description=⟦"orders of the shop"⟧, expiration_timestamp=null) as (select order_id, customer_id, ordered_at from `project.dataset.stg_orders`)

select order_id, array_agg(struct(sku, quantity) order by quantity desc limit ⟦3⟧) as top_lines from `project.dataset.lines` group by order_id

merge `project.dataset.customers` t using `project.dataset.updates` s on t.id = s.id when matched then update set name = s.name when not matched by target then insert (id, name) values (id, name) when not matched by source then delete

select safe_cast(json_value(payload, ⟦'$.user.id'⟧) as int64) as user_id, parse_date(⟦"%Y%m%d"⟧, day) as day from `project.dataset.events_*` where _table_suffix between ⟦'20240501'⟧ and ⟦'20240531'⟧

select * except (internal_id) replace (upper(name) as name) from dataset.customers where regexp_contains(email, ⟦r'@example\.com$'⟧)

declare start_date date default date_sub(current_date(), interval ⟦7⟧ day); select count(*) from dataset.events where event_date >= start_date

select item.sku, sum(item.quantity) as quantity from dataset.orders, unnest(items) as item with offset as position where position = ⟦0⟧ group by item.sku

export data options(uri=⟦'gs://bucket/out/*.parquet'⟧, format=⟦'PARQUET'⟧, overwrite=true) as select * from dataset.orders

insert into dataset.notes (id, body) values (⟦1⟧, ⟦'''it's a "long" note'''⟧), (⟦2⟧, ⟦"""another "note" here"""⟧)

select approx_quantiles(latency, ⟦100⟧)[offset(⟦95⟧)] as p95, countif(status = ⟦'error'⟧) as errors from dataset.requests ⟦# it's slow⟧
group by endpoint

create temp function add_tax(x float64) returns float64 as (x * ⟦1.19⟧); select add_tax(price) from dataset.products

select generate_uuid() as id, format(⟦'%s-%d'⟧, name, n) as label, timestamp_diff(ended, started, second) as s from dataset.runs qualify rank() over (partition by name order by ended desc) = ⟦1⟧

update dataset.orders set status = ⟦'closed'⟧ where status = ⟦'open'⟧ and ordered_at < timestamp_sub(current_timestamp(), interval ⟦90⟧ day)

select st_distance(a.geog, b.geog) as metres from dataset.stores a cross join dataset.stores b where a.id < b.id

load data into dataset.raw from files (format = ⟦'CSV'⟧, uris = [⟦'gs://bucket/raw/*.csv'⟧])

select * from ml.predict(model `project.dataset.churn`, (select * from dataset.features))

assert (select count(*) from dataset.orders where customer_id is null) = ⟦0⟧ as ⟦'no orders without a customer'⟧

alter table dataset.orders add column if not exists channel string options(description=⟦'where it was sold'⟧)

@spark

create table if not exists agg using parquet as select grp, count(*) n, max(txt) m from t group by grp

insert overwrite table lake.orders partition (day = ⟦'2024-05-01'⟧) select order_id, customer_id, amount from lake.raw_orders where status in (⟦"paid"⟧, ⟦"shipped"⟧)

merge into lake.customers as t using updates as s on t.id = s.id when matched then update set * when not matched then insert *

select explode(items) as item, size(items) as n, from_json(payload, ⟦'a INT, b STRING'⟧) as parsed from lake.orders lateral view explode(tags) tags_table as tag

create or replace temporary view recent as select * from lake.events where event_time > current_timestamp() - interval ⟦1⟧ day

optimize lake.orders where day >= ⟦'2024-05-01'⟧ zorder by (customer_id)

alter table lake.orders set tblproperties (⟦'delta.autoOptimize.optimizeWrite'⟧ = ⟦'true'⟧)

select `order id`, `customer name` from `main`.`sales`.`order details` where `region` = ⟦"EMEA"⟧ ⟦-- it's late⟧

select transform(scores, x -> x * ⟦2⟧) as doubled, aggregate(scores, ⟦0D⟧, (acc, x) -> acc + x) as total, filter(tags, t -> t like ⟦'%new%'⟧) from features

copy into bronze.events from (select *, _metadata.file_path from ⟦'s3://bucket/landing'⟧) fileformat = json format_options (⟦'inferSchema'⟧ = ⟦'true'⟧)

create table bronze.events (id bigint, body string comment ⟦'what came'⟧, day date) using delta partitioned by (day) location ⟦'abfss://lake@account.dfs.core.windows.net/events'⟧

select ⟦/*+ broadcast(d) */⟧ f.amount, d.name from fact f join dim d on f.dim_id = d.id where f.day = date_sub(current_date(), ⟦1⟧)

describe history lake.orders; vacuum lake.orders retain ⟦168⟧ hours

select percentile_approx(latency, array(⟦0.5⟧, ⟦0.99⟧)) as p, date_format(ts, ⟦'yyyy-MM-dd HH:mm'⟧) as minute from requests group by date_format(ts, ⟦'yyyy-MM-dd HH:mm'⟧) having count(*) > ⟦10L⟧

from src insert overwrite table a select id where kind = ⟦'a'⟧ insert overwrite table b select id where kind = ⟦'b'⟧

msck repair table lake.raw_orders; analyze table lake.orders compute statistics for all columns

select regexp_extract(url, ⟦'https?://([^/]+)/'⟧, ⟦1⟧) as host, get_json_object(body, ⟦'$.a.b'⟧) as b from logs cluster by host

select stack(⟦2⟧, ⟦'a'⟧, a, ⟦'b'⟧, b) as (name, value) from wide; cache table recent; uncache table recent

@mysql

insert into `shop`.`orders` (`id`, `name`, `note`) values (⟦1⟧, ⟦"it's"⟧, ⟦'a \'quoted\' note'⟧), (⟦2⟧, ⟦'b'⟧, null) on duplicate key update `name` = values(`name`)

select o.id, group_concat(distinct l.sku order by l.sku separator ⟦', '⟧) as skus from orders o straight_join order_lines l on l.order_id = o.id where o.created_at >= ⟦'2024-05-01'⟧ group by o.id limit ⟦10⟧, ⟦20⟧

select json_extract(payload, ⟦'$.user.name'⟧) as name, payload->>⟦'$.id'⟧ as id from events force index (idx_created) where created_at > now() - interval ⟦1⟧ hour ⟦# it's recent⟧

replace into settings (name, value) select name, value from defaults where name not in (select name from settings)

load data local infile ⟦'/tmp/orders.csv'⟧ into table orders fields terminated by ⟦','⟧ enclosed by ⟦'"'⟧ lines terminated by ⟦'\n'⟧ ignore ⟦1⟧ lines (id, customer, amount)

update orders o join customers c on c.id = o.customer_id set o.region = c.region where c.country = ⟦'FR'⟧ and o.region is null

create table if not exists `events` (`id` bigint unsigned not null auto_increment, `kind` enum(⟦'a'⟧,⟦'b'⟧) not null, `at` datetime default current_timestamp on update current_timestamp, primary key (`id`), key `idx_at` (`at`)) engine=InnoDB default charset=utf8mb4

select ifnull(name, ⟦'none'⟧), if(active, ⟦1⟧, ⟦0⟧), date_format(at, ⟦'%Y-%m-%d'⟧) from users where name regexp ⟦'^A'⟧ or name rlike ⟦"^B"⟧

with ranked as (select *, dense_rank() over (partition by region order by amount desc) as r from orders) select * from ranked where r <= ⟦3⟧

delete o from orders o inner join cancelled c on c.order_id = o.id where c.reason = ⟦_utf8mb4'fraud'⟧

show full columns from `orders` from `shop`; explain format=json select * from orders

alter table orders add column channel varchar(⟦32⟧) not null default ⟦'web'⟧ after status, drop index idx_old, add unique key uq_ref (reference)

@sqlserver

select top (⟦10⟧) [Order Id], [Customer Name] from [sales].[dbo].[Order Details] with (nolock) where [Region] = ⟦N'EMEA'⟧ order by [Order Id] desc

merge into dbo.Customers as t using #staging as s on t.Id = s.Id when matched and t.Hash <> s.Hash then update set t.Name = s.Name when not matched by target then insert (Id, Name) values (s.Id, s.Name) when not matched by source then delete output $action, inserted.Id

select * into #recent from dbo.Orders where OrderedAt >= dateadd(day, ⟦-7⟧, getdate())

declare @day date = ⟦'2024-05-01'⟧; insert into dbo.Daily (Day, N) select @day, count(*) from dbo.Orders where cast(OrderedAt as date) = @day

select o.Id, x.value as Tag, j.Name from dbo.Orders o cross apply string_split(o.Tags, ⟦','⟧) x outer apply openjson(o.Payload) with (Name nvarchar(⟦50⟧) ⟦'$.name'⟧) j

update o set o.Status = ⟦N'closed'⟧ from dbo.Orders o inner join dbo.Returns r on r.OrderId = o.Id where r.Approved = ⟦1⟧

exec dbo.usp_refresh_orders @from = ⟦'20240501'⟧, @full = ⟦0⟧

select iif(Amount > ⟦100⟧, ⟦'big'⟧, ⟦'small'⟧) as Size, isnull(Name, ⟦N''⟧) as Name, format(OrderedAt, ⟦'yyyy-MM'⟧) as Month from dbo.Orders option (maxdop ⟦4⟧)

create table dbo.Audit (Id int identity(⟦1⟧,⟦1⟧) primary key clustered, Actor sysname not null default suser_sname(), At datetime2(⟦3⟧) not null)

bulk insert dbo.Raw from ⟦'C:\data\raw.csv'⟧ with (firstrow = ⟦2⟧, fieldterminator = ⟦','⟧)

if object_id(⟦'dbo.Tmp'⟧, ⟦'U'⟧) is not null drop table dbo.Tmp; create clustered columnstore index cci_orders on dbo.Orders

select Name, [2023], [2024] from (select Name, Year, Amount from dbo.Sales) s pivot (sum(Amount) for Year in ([2023], [2024])) p

with cte as (select Id, ParentId, Name, ⟦0⟧ as Depth from dbo.Tree where ParentId is null union all select t.Id, t.ParentId, t.Name, c.Depth + ⟦1⟧ from dbo.Tree t join cte c on c.Id = t.ParentId) select * from cte option (maxrecursion ⟦100⟧)

begin tran; delete from dbo.Queue output deleted.Id where Id in (select top ⟦5⟧ Id from dbo.Queue with (updlock, readpast)); commit

@oracle

select e.employee_id, e.last_name, d.department_name from employees e join departments d on e.department_id = d.department_id where e.hire_date > to_date(⟦'2020-01-01'⟧, ⟦'YYYY-MM-DD'⟧) and rownum <= ⟦10⟧

merge into orders t using (select id, status from staging_orders) s on (t.id = s.id) when matched then update set t.status = s.status when not matched then insert (id, status) values (s.id, s.status)

insert all into a (id) values (id) into b (id, name) values (id, name) select id, name from source_table

select level, lpad(⟦' '⟧, ⟦2⟧ * level) || name as tree from categories start with parent_id is null connect by prior id = parent_id order siblings by name

select nvl(name, ⟦q'[it's none]'⟧) as name, decode(status, ⟦'O'⟧, ⟦'open'⟧, ⟦'closed'⟧) as status, sysdate - ⟦1⟧ as yesterday from dual

create table agg_orders nologging parallel ⟦4⟧ as select ⟦/*+ parallel(o 4) */⟧ trunc(ordered_at, ⟦'MM'⟧) as month, sum(amount) as amount from orders o group by trunc(ordered_at, ⟦'MM'⟧)

begin dbms_stats.gather_table_stats(ownname => ⟦'SHOP'⟧, tabname => ⟦'ORDERS'⟧); end;

select "Order Id", "Customer" from "SHOP"."Order Details" fetch first ⟦10⟧ rows only

select json_value(payload, ⟦'$.id'⟧ returning number) as id, listagg(sku, ⟦','⟧) within group (order by sku) over (partition by order_id) as skus from order_lines

select s.sid, s.serial#, s.username from v$session s where s.status = ⟦'ACTIVE'⟧ and s.sql_id is not null

update orders set status = ⟦'closed'⟧ where id = :id and version = :version returning id into :out

select * from orders partition (p_2024) where ordered_at >= ⟦date '2024-05-01'⟧ and amount = ⟦1.5e3⟧

exec shop.pkg_orders.refresh(⟦'FULL'⟧); commit; alter session set nls_date_format = ⟦'YYYY-MM-DD'⟧

@trino

select o.orderkey, c.name from hive.sales.orders o join postgresql.public.customers c on o.custkey = c.custkey where o.orderdate >= ⟦date '2024-05-01'⟧

create table iceberg.lake.orders with (format = ⟦'PARQUET'⟧, partitioning = array[⟦'day(ordered_at)'⟧]) as select * from hive.raw.orders

select t.id, tag from lake.items t cross join unnest(t.tags) as u (tag) where cardinality(t.tags) > ⟦0⟧ and element_at(t.props, ⟦'colour'⟧) = ⟦'red'⟧

select date_trunc(⟦'week'⟧, ordered_at) as week, approx_distinct(custkey) as customers, approx_percentile(price, ⟦0.9⟧) from orders group by ⟦1⟧ having count(*) > ⟦100⟧

insert into iceberg.lake.daily select cast(ordered_at as date), count(*) filter (where status = ⟦'paid'⟧) from iceberg.lake.orders group by ⟦1⟧

select json_extract_scalar(payload, ⟦'$.user.id'⟧) as user_id, try_cast(amount as decimal(⟦12⟧, ⟦2⟧)) from hive.raw.events where regexp_like(path, ⟦'^/api/'⟧)

alter table iceberg.lake.orders execute optimize(file_size_threshold => ⟦'128MB'⟧)

delete from iceberg.lake.orders where orderkey in (select orderkey from deletes); show catalogs

select "Order Id", "Customer" from "sales"."order details" where "Region" = ⟦'EMEA'⟧

with a as (values (⟦1⟧, ⟦'x'⟧), (⟦2⟧, ⟦'y'⟧)) select * from a as t (id, name) where id between ⟦1⟧ and ⟦2⟧

select match_number, first_price, last_price from stock match_recognize (partition by symbol order by day measures match_number() as match_number, first(price) as first_price, last(price) as last_price pattern (down+ up+) define down as price < prev(price), up as price > prev(price))

select reduce(scores, ⟦0⟧, (s, x) -> s + x, s -> s) as total, transform(tags, t -> lower(t)) as tags, zip_with(a, b, (x, y) -> x * y) from features

@clickhouse

create table events (event_date Date, user_id UInt64, kind LowCardinality(String), payload String codec(ZSTD(⟦3⟧))) engine = MergeTree partition by toYYYYMM(event_date) order by (user_id, event_date) ttl event_date + interval ⟦90⟧ day

select toStartOfHour(ts) as hour, uniqExact(user_id) as users, quantile(⟦0.95⟧)(latency) as p95 from requests prewhere status >= ⟦500⟧ where path like ⟦'/api/%'⟧ group by hour order by hour with fill limit ⟦10⟧ by hour

insert into daily select toDate(ts), count() from events final where kind in (⟦'view'⟧, ⟦'click'⟧) group by toDate(ts)

select arrayJoin(tags) as tag, arrayMap(x -> x * ⟦2⟧, scores) as doubled, JSONExtractString(payload, ⟦'name'⟧) as name from items

create materialized view mv_daily to daily as select toDate(ts) as day, countState() as n from events group by day

alter table events delete where user_id = ⟦42⟧; optimize table events final

select argMax(status, updated_at) as status, groupArray(⟦10⟧)(sku) as skus, sumMap(counts) from orders any left join customers using (customer_id) settings max_threads = ⟦8⟧

select dictGetString(⟦'regions'⟧, ⟦'name'⟧, toUInt64(region_id)) as region, if(amount > ⟦100⟧, ⟦'big'⟧, ⟦'small'⟧) as size from orders sample ⟦0.1⟧

@sqlite

create table if not exists notes (id integer primary key autoincrement, body text not null, created_at text default (datetime(⟦'now'⟧)))

insert or ignore into notes (body) values (⟦'first'⟧), (⟦'it''s second'⟧)

select strftime(⟦'%Y-%m'⟧, created_at) as month, count(*) as n from notes where body glob ⟦'a*'⟧ group by ⟦1⟧

select json_extract(body, ⟦'$.title'⟧) as title from notes indexed by idx_notes where id = ?1

with recursive n(i) as (select ⟦1⟧ union all select i + ⟦1⟧ from n where i < ⟦10⟧) select i from n

pragma table_info(notes); attach database ⟦'other.db'⟧ as other; vacuum into ⟦'backup.db'⟧

@teradata

select customer_id, sum(amount) as total from dwh.orders where order_date between ⟦date '2024-05-01'⟧ and ⟦date '2024-05-31'⟧ group by ⟦1⟧ qualify rank() over (order by total desc) <= ⟦10⟧

create multiset volatile table vt_orders as (select * from dwh.orders) with data primary index (order_id) on commit preserve rows

collect statistics column (customer_id) on dwh.orders

sel top ⟦5⟧ zeroifnull(amount), otranslate(name, ⟦'ab'⟧, ⟦'cd'⟧) from dwh.orders sample ⟦100⟧

@db2

select empno, lastname, row_number() over (partition by workdept order by salary desc) as rn from employee where workdept = ⟦'A00'⟧ fetch first ⟦5⟧ rows only with ur

merge into target as t using source as s on t.id = s.id when matched then update set t.name = s.name when not matched then insert (id, name) values (s.id, s.name)

values (current date, current timestamp); select varchar_format(hiredate, ⟦'YYYY-MM'⟧) from employee

@none

insert into agg select grp, count(*), min(txt) from t where id > ⟦10⟧ group by grp

select c.name, count(o.order_id) as n, sum(o.amount) as total from "shop"."main"."raw_customers" c left join "shop"."main"."stg_orders" o on o.customer = c.name group by ⟦1⟧

create table if not exists t1 (a int)

select check_name, check_result from ( select ⟦'row_count_check'⟧ as check_name, min(row_count_check) as check_result from (select case when count(*) >= ⟦0⟧ then ⟦1⟧ else ⟦0⟧ end as row_count_check from orders) as sq )

select * from orders where day = ⟦'2024-05-01'⟧ and customer_id in (select id from customers where country = ⟦'DE'⟧)

insert into public.o2 (id, v) select id, upper(v) from public.o1

update inventory set on_hand = on_hand - ⟦1⟧ where sku = ⟦'A-17'⟧ and warehouse_id = ⟦3⟧

delete from events where created_at < current_date - ⟦30⟧

select a.id, b.name, coalesce(c.value, ⟦0⟧) as value from a inner join b on b.id = a.b_id left outer join c on c.a_id = a.id and c.kind = ⟦'x'⟧ where a.deleted = false order by a.id

create view v_active as select id, name, email from users where active = true and last_login > current_timestamp - interval ⟦'90'⟧ day

alter table orders add column channel varchar(⟦16⟧); drop table if exists orders_old; truncate table staging

with daily as (select day, sum(amount) as amount from orders group by day) select day, amount, avg(amount) over (order by day rows between ⟦6⟧ preceding and current row) as weekly from daily

select distinct region, cast(price as decimal(⟦10⟧,⟦2⟧)) as price, case when price > ⟦100⟧ then ⟦'high'⟧ else ⟦'low'⟧ end as band from products where name not like ⟦'%test%'⟧

merge into dim_customer d using stg_customer s on d.customer_key = s.customer_key when matched then update set d.name = s.name when not matched then insert (customer_key, name) values (s.customer_key, s.name)

select department, max(salary) from employees group by department having max(salary) > ⟦50000⟧ union all select ⟦'total'⟧, sum(salary) from employees ⟦-- all of them⟧

call refresh_orders(⟦'daily'⟧); commit; grant select on orders to analyst

select o.id, o.total, rank() over (partition by o.region order by o.total desc) as place from orders o where o.total > (select avg(total) from orders)

insert into audit_log (actor, action, details) select user_name, ⟦'login'⟧, ⟦'from the web'⟧ from sessions where started_at > ⟦'2024-01-01'⟧

create table daily_totals as select order_date, store_id, sum(net) as net, sum(gross) as gross from sales group by order_date, store_id

select s.name, s.city from stores s where not exists (select null from sales where sales.store_id = s.id and sales.order_date >= ⟦'2024-05-01'⟧)

update employees set salary = salary * ⟦1.05⟧ where grade in (⟦'A'⟧, ⟦'B'⟧) and manager_id is not null

select first_value(price) over (partition by symbol order by traded_at rows between unbounded preceding and unbounded following) as opening from trades

delete from staging.orders where order_id not in (select order_id from core.orders)

select t.table_schema, t.table_name, c.column_name from information_schema.tables t join information_schema.columns c using (table_schema, table_name) where t.table_type = ⟦'BASE TABLE'⟧
